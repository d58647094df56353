import BlockIO
import Glibc
import IDE
@testable import TestSupport

// States that somebody has changed.
extension FuzzGuest {
    /// A state and the discs that belong to it.
    struct Moment {
        let state: [UInt8]
        let media: [IDESlot: BlockImage]
    }

    /// So many states of one run, most of them with a command under way. The host fails often, so that
    /// some of the commands wait for the emulator.
    func collectStates(_ count: Int) -> [Moment] {
        let failures = [EIO, ENOSPC].map {
            machine.faults.add(.init(.transientError($0), probability: 0.4))
        }
        defer { failures.forEach(machine.faults.remove) }
        var moments: [Moment] = []
        // A machine that is never at work has fewer.
        for _ in 0..<100 * count where moments.count < count && machine.finding == nil {
            act()
            if oneIn(4) { machine.letGo() }
            guard shows(DriveStatus.busy | DriveStatus.dataRequestBit) || oneIn(40),
                let state = saved()
            else { continue }
            // A save waits for the host: a drive that is still busy keeps a request, or is in reset.
            guard shows(DriveStatus.busy) || oneIn(3) else { continue }
            let media = machine.cdroms.map { ($0, machine.controller.medium(in: $0)) }
            moments.append(
                Moment(
                    state: state,
                    media: Dictionary(uniqueKeysWithValues: media).compactMapValues(\.self)))
        }
        return moments
    }

    /// Whether a drive shows one of these bits of status: BSY, DRQ.
    private func shows(_ bits: UInt8) -> Bool {
        FuzzMachine.controlPorts.contains {
            let status = machine.controller.readPort($0, width: 1)
            return status != 0xFF && status & UInt32(bits) != 0
        }
    }

    /// Loads a changed state. If it is refused, nothing may have changed; if it is accepted, it is
    /// what the controller saves again, and the machine runs with it for a while.
    func tryState(_ moments: [Moment]) {
        let moment = one(moments)
        guard prepare(for: moment), let before = saved() else { return }
        var other = moment.state
        for _ in 0..<1 + number(3) { change(&other, moments) }
        remember("changed state")
        machine.tally.changed += 1
        machine.step = FuzzMachine.Step()
        let levels = machine.levels
        let interrupts = machine.tally.interrupts
        do throws(IDEError) {
            try machine.controller.load(other)
        } catch {
            switch error {
            case .damagedState, .otherHardware, .unknownVersion: break
            default: machine.fail("a changed state is refused with \(error)")
            }
            if saved() != before { machine.fail("a state that was refused has changed something") }
            if machine.levels != levels || machine.tally.interrupts != interrupts {
                machine.fail("a state that was refused has changed lines")
            }
            return
        }
        machine.tally.damaged += 1
        machine.isUnknown = true
        machine.memory.isOpen = true
        if saved() != other { machine.fail("an accepted state is another state") }
        runAccepted()
        becomeKnown()
    }

    private func runAccepted() {
        if oneIn(2) { resume() }
        let end = machine.tally.accesses + 200
        while machine.tally.accesses < end && machine.finding == nil { act() }
        machine.letGo()
        do { try machine.settle() } catch { machine.fail("\(error)") }
        guard let state = saved() else { return machine.fail("a state cannot be saved again") }
        machine.step = FuzzMachine.Step()
        do {
            try machine.controller.load(state)
        } catch {
            machine.fail("a state that was run is refused: \(error)")
        }
        if saved() != state { machine.fail("a state that was run is another state") }
    }

    /// Makes the machine one that the state may belong to; false when it cannot be known.
    private func prepare(for moment: Moment) -> Bool {
        machine.letGo()
        do {
            try machine.settle()
            for slot in machine.cdroms
            where machine.controller.medium(in: slot) !== moment.media[slot] {
                try machine.controller.changeMedium(slot, to: moment.media[slot])
            }
        } catch {
            machine.fail("a machine cannot be made as it was: \(error)")
        }
        return machine.finding == nil
    }

    // MARK: Changes

    /// Half of the time where the first drives have their commands, windows and registers, behind
    /// the configuration space.
    private func place(_ state: [UInt8]) -> Int {
        let start = min(state.count, 294)
        switch number(16) {
        case 0: return number(state.count)
        case 1..<9: return start + number(max(min(state.count - start, 600), 1))
        default: return start + number(max(state.count - start, 1))
        }
    }

    private func change(_ state: inout [UInt8], _ moments: [Moment]) {
        guard state.count > 16 else { return }
        switch number(16) {
        case 0..<4: put(UInt64(value()), 1, &state)
        case 4..<6:
            let place = min(place(state), state.count - 1)
            state[place] ^= 1 << UInt8(number(8))
        case 6..<8: put(one([0, 1, 2, 3, 0x7F, 0x80, 0xFF]), 1, &state)
        case 8..<12:
            let extremes: [UInt64] = [
                0, 1, 2, 33, 34, 511, 512, 2048, 2352, 65535, 65536, 1 << 31, 1 << 32, 1 << 55,
                1 << 63, .max, .max - 1, UInt64(number(1 << 20)), random.next(),
            ]
            put(one(extremes), one([2, 4, 8]), &state)
        case 12: state.removeLast(number(oneIn(2) ? 8 : state.count))
        case 13: state += (0..<1 + number(16)).map { _ in UInt8(truncatingIfNeeded: value()) }
        case 14:
            // The end of another state.
            let other = one(moments).state
            let place = min(place(state), other.count)
            state = Array(state[..<min(place, state.count)] + other[place...])
        default:
            // A stretch of another state, or of this one from elsewhere.
            let other = oneIn(2) ? one(moments).state : state
            let (from, to) = (number(other.count), place(state))
            let count = min(1 + number(32), other.count - from, max(state.count - to, 0))
            guard count > 0 else { return }
            state.replaceSubrange(to..<to + count, with: other[from..<from + count])
        }
    }

    /// A little-endian number somewhere.
    private func put(_ value: UInt64, _ width: Int, _ state: inout [UInt8]) {
        let place = place(state)
        for byte in 0..<width where place + byte < state.count {
            state[place + byte] = UInt8(truncatingIfNeeded: value >> UInt64(8 * byte))
        }
    }
}
