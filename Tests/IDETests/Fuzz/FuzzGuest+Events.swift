import IDE
@testable import TestSupport

// What happens to a machine besides: resets, moves, media, configuration.
extension FuzzGuest {
    func disturb() {
        switch number(14) {
        case 0: reset()
        case 1: configure()
        case 2...5: save()
        case 6: loadDamaged()
        case 7...8: changeMedium()
        case 9...11: trim()
        default: readConfiguration()
        }
    }

    private func reset() {
        remember("reset")
        machine.tally.resets += 1
        step { $0.reset() }
        for number in 0..<2 {
            machine.channels[number].control = 0
            machine.channels[number].table = 0
            machine.channels[number].isStopped = false
        }
        if oneIn(4) { machine.enable(PCICommandBits.busMaster) }
        machine.enable()
    }

    // MARK: Configuration

    private func readConfiguration() {
        step { _ = $0.readConfiguration(number(260) - 2, width: one([1, 2, 4])) }
        step { _ = $0.read(bar: number(7) - 1, offset: number(20) - 2, width: one([1, 2, 4])) }
    }

    /// Anything, for a while.
    private func configure() {
        remember("configuration")
        // One at a time: the end of this is that all is known again.
        if machine.isUnknown || oneIn(2) {
            // The ports stay where they are.
            let value = UInt32(number(8))
            step {
                let disable = oneIn(4) ? UInt32(PCICommandBits.interruptDisable) : 0
                $0.writeConfiguration(PCIOffset.command, width: 2, value: value | disable)
            }
            for _ in 0..<number(6) { act() }
        } else {
            machine.isUnknown = true
            machine.memory.isOpen = true
            for _ in 0..<4 {
                step { $0.writeConfiguration(number(260), width: one([1, 2, 4]), value: value()) }
                act()
            }
            step {
                $0.write(
                    bar: number(6), offset: number(18), width: one([1, 2, 4]), value: value())
            }
            becomeKnown()
        }
        machine.enable()
        updateTables()
    }

    /// A reset after which everything is known again.
    func becomeKnown() {
        machine.letGo()
        for (_, file) in machine.disks { file.allow(0..<file.sectorCount) }
        try? machine.settle()
        reset()
        try? machine.settle()
        machine.isUnknown = false
        machine.memory.isOpen = true
        for (_, file) in machine.disks { file.allow(0..<file.sectorCount) }
        for number in 0..<2 { machine.channels[number].sectors = nil }
    }

    // MARK: State

    /// Those of both channels that a read leaves as they are.
    private static let harmlessPorts =
        [ChannelPort.primary, ChannelPort.secondary].flatMap { base in
            Array(base + CommandBlock.error...base + CommandBlock.device)
        } + FuzzMachine.controlPorts

    /// What a guest can look at without changing it.
    private func look() -> [UInt32] {
        var result = (0..<64).map { machine.controller.readConfiguration(4 * $0, width: 4) }
        for port in Self.harmlessPorts {
            result.append(machine.controller.readPort(port, width: 1))
        }
        for offset in 0..<4 {
            result.append(
                machine.controller.read(bar: FuzzMachine.busMasterBAR, offset: 4 * offset, width: 4)
            )
        }
        return result
    }

    /// Saves at this moment; `nil` when a request is held.
    func saved() -> [UInt8]? {
        machine.step = FuzzMachine.Step()
        return try? machine.controller.save(timeout: .milliseconds(2))
    }

    /// Saves and restores, in the same controller or in another.
    private func save() {
        if oneIn(2) { machine.letGo() }
        guard let state = saved() else { return }
        remember("save")
        machine.tally.saves += 1
        let before = look()
        let levels = machine.levels.filter(\.value)
        restore(state, elsewhere: oneIn(8))
        let after = look()
        if let place = before.indices.first(where: { before[$0] != after[$0] }) {
            machine.fail(
                "register \(place) is \(after[place]) and was \(before[place]) before a restore")
        }
        if machine.levels.filter(\.value) != levels { machine.fail("lines differ after a restore") }
        if saved() != state { machine.fail("a restored state is another state") }
    }

    private func restore(_ state: [UInt8], elsewhere: Bool) {
        machine.step = FuzzMachine.Step()
        do {
            if elsewhere {
                machine.tally.moves += 1
                try machine.replaceController()
            }
            machine.step = FuzzMachine.Step()
            try machine.controller.load(state)
        } catch {
            machine.fail("a saved state is refused: \(error)")
        }
    }

    /// A state that nobody has saved; if it is taken, the machine runs with it for a while.
    private func loadDamaged() {
        if machine.isUnknown { return }
        machine.letGo()
        guard let state = saved() else { return }
        remember("damaged state")
        machine.isUnknown = true
        machine.memory.isOpen = true
        for _ in 0..<4 {
            var damaged = state
            for _ in 0..<1 + number(3) {
                damaged[number(damaged.count)] =
                    oneIn(2)
                    ? UInt8(number(256)) : damaged[number(damaged.count)] ^ 1 << UInt8(number(8))
            }
            if oneIn(8) { damaged.removeLast(number(damaged.count)) }
            machine.step = FuzzMachine.Step()
            guard (try? machine.controller.load(damaged)) != nil else { continue }
            machine.tally.damaged += 1
            for _ in 0..<12 { act() }
            machine.letGo()
            try? machine.settle()
        }
        becomeKnown()
    }

    // MARK: Media

    private func changeMedium() {
        guard !machine.cdroms.isEmpty else { return }
        let slot = one(machine.cdroms)
        remember("medium of \(slot)")
        machine.tally.media += 1
        machine.step = FuzzMachine.Step()
        let controller = machine.controller
        do {
            switch number(4) {
            case 0: try controller.eject(slot)
            case 1: try controller.changeMedium(slot, to: nil)
            default: try controller.changeMedium(slot, to: one(machine.discs))
            }
        } catch IDEError.mediumLocked {
        } catch {
            machine.fail("a medium cannot be changed: \(error)")
        }
    }

    // MARK: TRIM

    /// DATA SET MANAGEMENT with ranges that may well be on the disk.
    private func trim() {
        let (base, device) = drive(cdrom: false)
        let isGood = oneIn(2)
        for index in 0..<64 {
            let sector = UInt64(number(isGood ? 400 : 600))
            let range = sector | UInt64(number(isGood ? 100 : 200)) << 48
            machine.memory.poke(isGood || !oneIn(64) ? range : random.next(), at: 8 * index)
        }
        write(bus(base), BusMasterCommand.stop)
        write(bus(base) + BusMasterRegister.status, BusMasterStatus.interruptAndError)
        machine.memory.setTable([0, 512 | 1 << 31], at: 0)
        write(bus(base) + BusMasterRegister.table, FuzzMemory.tables, width: 4)
        write(base + CommandBlock.device, device | DeviceSelect.lba)
        write(base + CommandBlock.features, UInt8(DataSetManagement.trim))
        // 48-bit: the high-order byte first.
        write(base + CommandBlock.count, 0)
        write(base + CommandBlock.count, 1)
        write(base + CommandBlock.command, Opcode.dataSetManagement)
        write(bus(base), BusMasterCommand.startReadingMemory)
        finish(base)
    }
}
