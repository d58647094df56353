import BlockIO
import Glibc
import IDE
@testable import TestSupport

/// Makes the accesses: some as a driver does, and some as nobody does.
final class FuzzGuest {
    let machine: FuzzMachine
    var random: SplitMix64
    /// The last accesses, for a failure to be understood.
    private var history: [String] = []
    private let remembers: Bool

    init(_ machine: FuzzMachine, _ random: SplitMix64, remembers: Bool) {
        self.machine = machine
        self.random = random
        self.remembers = remembers
    }

    /// So many accesses, and a look at everything now and then.
    func run(accesses: Int) throws {
        var next = 0
        while machine.tally.accesses < accesses {
            act()
            try report()
            guard machine.tally.accesses >= next else { continue }
            next = machine.tally.accesses + 1 + number(3000)
            do { try machine.check() } catch let finding as FuzzFinding {
                throw FuzzFinding(text: finding.text + trail)
            }
        }
    }

    /// Throws what has been found, with what came before it.
    func report() throws {
        if let finding = machine.finding { throw FuzzFinding(text: finding + trail) }
    }

    private var trail: String { history.map { "\n    \($0)" }.joined() }

    func remember(_ text: @autoclosure () -> String) {
        guard remembers else { return }
        history.append(text())
        if history.count > 400 { history.removeFirst(200) }
    }

    // MARK: Accesses

    /// One call of the controller, and what must hold after it.
    @discardableResult
    func step<Result>(_ body: (IDEController) -> Result) -> Result {
        machine.tally.accesses += 1
        machine.step = FuzzMachine.Step()
        let before = machine.memory.devices.reduce(0) { $0 + $1.accesses }
        let result = body(machine.controller)
        let accesses = machine.memory.devices.reduce(0) { $0 + $1.accesses } - before
        machine.check(after: machine.step, accesses: accesses)
        return result
    }

    @discardableResult
    func read(_ port: UInt16, width: Int = 1) -> UInt32 {
        let value = step { $0.readPort(port, width: width) }
        remember("in \(hex(port)) \(width) = \(hex(value))")
        if width == 1, !machine.isUnknown,
            [ChannelPort.primary, ChannelPort.secondary].contains(port &- CommandBlock.status),
            machine.isIOEnabled
        {
            let line: IDEInterrupt =
                port == ChannelPort.primary + CommandBlock.status ? .irq14 : .irq15
            if machine.levels[line, default: false] {
                machine.fail("\(line) is high after status was read")
            }
        }
        return value
    }

    func write(_ port: UInt16, _ value: UInt8) { write(port, UInt32(value)) }

    func write(_ port: UInt16, _ value: UInt32, width: Int = 1) {
        remember("out \(hex(port)) \(width) \(hex(value))")
        let isHeard = machine.isIOEnabled
        if isHeard && !machine.isUnknown { announce(port, value, width: width) }
        step { controller in
            machine.step.excuses = excuses(port, width)
            controller.writePort(port, width: width, value: value)
        }
        if isHeard { updateTables() }
    }

    /// What the machine has to know before an access.
    private func announce(_ port: UInt16, _ value: UInt32, width: Int) {
        // All of it goes to the data port.
        if port == ChannelPort.primary || port == ChannelPort.secondary { return }
        var devices: [UInt8] = []
        for byte in 0..<max(0, min(width, 4)) {
            let content = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte))
            let place = port &+ UInt16(byte)
            switch place {
            case ChannelPort.primary + CommandBlock.device,
                ChannelPort.secondary + CommandBlock.device:
                devices.append(content)
            case ChannelPort.primary + CommandBlock.command,
                ChannelPort.secondary + CommandBlock.command:
                let number = place == ChannelPort.primary + CommandBlock.command ? 0 : 1
                let now = UInt8(
                    truncatingIfNeeded: machine.controller.readPort(place - 1, width: 1))
                machine.channels[number].devices = devices + [now]
            case ChannelPort.primary + CommandBlock.control: machine.channels[0].control = content
            case ChannelPort.secondary + CommandBlock.control: machine.channels[1].control = content
            default: break
            }
        }
    }

    /// Channels whose interrupt bit the guest changes itself, or whose interrupts it lets through.
    private func excuses(_ port: UInt16, _ width: Int) -> [Bool] {
        let end = Int(port) + max(0, min(width, 4))
        return [0, 1].map { number in
            [Int(FuzzMachine.controlPorts[number]), Int(FuzzMachine.busMasterStatusPorts[number])]
                .contains { Int(port) <= $0 && $0 < end }
        }
    }

    /// Where the bus masters look for their tables.
    func updateTables() {
        for number in 0..<2 {
            machine.channels[number].table = machine.controller.read(
                bar: FuzzMachine.busMasterBAR,
                offset: FuzzMachine.busMasterOffset(BusMasterRegister.table, channel: number),
                width: 4)
        }
    }

    // MARK: Chance

    func number(_ limit: Int) -> Int { Int(truncatingIfNeeded: random.next() >> 33) % limit }
    func value() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) }
    func oneIn(_ limit: Int) -> Bool { number(limit) == 0 }
    func one<Value>(_ values: [Value]) -> Value { values[number(values.count)] }
}
