import BlockIO
import IDE
@testable import TestSupport

// What holds whatever the guest does.
extension FuzzMachine {
    // MARK: After each step

    /// Bytes that a device in guest memory may be asked for by one call: what all bounce buffers
    /// have, and the smallest accesses.
    private static let mostAccesses = 2 << 20
    /// Registers, packets and lines that one call may concern: those of a string, word by word.
    private static let mostEvents = 9216

    func check(after step: Step, accesses: Int) {
        tally.mostEvents = max(tally.mostEvents, step.events)
        tally.mostAccesses = max(tally.mostAccesses, accesses)
        if step.events > Self.mostEvents { fail("\(step.events) events in one call") }
        if accesses > Self.mostAccesses { fail("\(accesses) accesses of devices in one call") }
        for device in memory.devices where device.hasRecurred { fail("DMA led back") }
        guard !isUnknown else { return }
        for (number, line) in [IDEInterrupt.irq14, .irq15].enumerated() {
            guard levels[line, default: false], let control = channels[number].control else {
                continue
            }
            if control & DeviceControlBits.interruptDisable != 0 {
                fail("\(line) is high with nIEN set")
            }
            if control & DeviceControlBits.softwareReset != 0 {
                fail("\(line) is high during a reset")
            }
            if !hasDrives[number] { fail("\(line) is high without a drive") }
        }
        if step.hasFailed || !step.hasRisen.isEmpty { checkInterruptBit(step) }
    }

    /// A command that fails raises the interrupt, and the bus master's bit follows each.
    private func checkInterruptBit(_ step: Step) {
        guard isIOEnabled else { return }
        for number in 0..<2 where !step.excuses[number] && channels[number].control == 0 {
            let hasRisen = step.hasRisen.contains(number == 0 ? .irq14 : .irq15)
            guard step.hasFailed || hasRisen else { continue }
            let status = busMaster(BusMasterRegister.status, channel: number)
            if status & BusMasterStatus.interrupt == 0 {
                fail("channel \(number) has had an interrupt, bm \(status)")
            }
        }
    }

    private func busMaster(_ register: UInt16, channel: Int) -> UInt8 {
        let offset = Self.busMasterOffset(register, channel: channel)
        return UInt8(controller.read(bar: Self.busMasterBAR, offset: offset, width: 1))
    }

    var isIOEnabled: Bool {
        let command = controller.readConfiguration(PCIOffset.command, width: 1)
        return command & UInt32(PCICommandBits.io) != 0
    }

    // MARK: When nothing is under way

    /// Ends everything, looks at everything, and goes on with the same faults.
    func check() throws {
        tally.checks += 1
        try settle()
        checkRegisters()
        if let what = memory.difference() { fail(what) }
        for (slot, plug) in plugs {
            guard case .disk(let file, let image, _) = plug else { continue }
            if let what = file.difference() { fail(what) }
            let disk = controller.disk(in: slot)
            if disk?.queue.outstanding != 0 { fail("\(slot) has requests") }
            if disk?.queue.statistics.slotGrowths != 0 { fail("\(slot) has had many requests") }
            if Int(image.size) != file.size { fail("\(slot) has another size") }
        }
        for file in discFiles { if let what = file.difference() { fail(what) } }
        for (number, statistics) in controller.dmaStatistics.enumerated() {
            if statistics.active != 0 { fail("channel \(number) has transfers") }
        }
        // What a command that has begun may still write.
        for (_, plug) in plugs { if case .disk(let file, _, _) = plug { file.forbidAll() } }
        for case let (slot, range)? in channels.map(\.sectors) { disk(in: slot)?.allow(range) }
        if let finding { throw FuzzFinding(text: finding) }
    }

    /// Lets go what is held, and runs again what is kept until the host has carried it out.
    func settle() throws {
        pauseFaults()
        defer { goOn() }
        for _ in 0..<100 {
            letGo()
            if channels.contains(where: \.isStopped) || isUnknown { resume() }
            for _ in 0..<2000 {
                guard controller.isBusy else { break }
                letGo()
                controller.poll(timeout: .milliseconds(20))
            }
            if controller.isBusy { throw FuzzFinding(text: "the host does not end") }
            controller.poll()
            if !controller.isBusy && !channels.contains(where: \.isStopped) { return }
        }
        throw FuzzFinding(text: "requests that were kept do not end")
    }

    /// Lets go what the host holds, and what another process has been asked for.
    func letGo() {
        faults.release()
        memory.peer.answer()
    }

    func resume() {
        for number in 0..<2 { channels[number].isStopped = false }
        isResuming = true
        controller.resume()
        isResuming = false
    }

    /// BSY is gone, unless a reset holds it.
    private func checkRegisters() {
        let status = controller.readConfiguration(PCIOffset.status, width: 1)
        let shown = status & UInt32(PCIStatusBits.interrupt) != 0
        if identity.isNative {
            let command = controller.readConfiguration(PCIOffset.command, width: 2)
            let isDisabled = command & UInt32(PCICommandBits.interruptDisable) != 0
            if levels[.inta, default: false] != (shown && !isDisabled) {
                fail("INTA is \(levels[.inta, default: false]), pending \(shown)")
            }
        }
        guard !isUnknown, isIOEnabled else { return }
        for (number, port) in Self.controlPorts.enumerated() {
            let status = UInt8(controller.readPort(port, width: 1))
            guard let control = channels[number].control else { continue }
            let isInReset = control & DeviceControlBits.softwareReset != 0
            if !isInReset && status & DriveStatus.busy != 0 {
                fail("BSY stays: \(port) is \(status)")
            }
            let both = DriveStatus.busy | DriveStatus.dataRequestBit
            if status & both == both { fail("BSY and DRQ: \(port) is \(status)") }
            let isActive =
                busMaster(BusMasterRegister.status, channel: number) & BusMasterStatus.active != 0
            let isStarted =
                busMaster(BusMasterRegister.command, channel: number)
                & BusMasterCommand.startReadingMemory != 0
            if isActive && !isStarted { fail("the bus master of \(number) goes on") }
        }
    }
}
