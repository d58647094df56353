import BlockDMA
import BlockIO
import IDE
@testable import TestSupport

// What the controller says it does, and what may change by that.
extension FuzzMachine {
    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    ) {
        if levels[line, default: false] == isRaised {
            fail("\(line) is said to be \(isRaised ? "high" : "low") again")
        }
        levels[line] = isRaised
        if isRaised {
            tally.interrupts += 1
            step.hasRisen.append(line)
        }
    }

    func controller(_ controller: IDEController, driveEvent event: DriveEvent) {
        if event.action == .stop {
            tally.stops += 1
            channels[event.slot.rawValue >> 1].isStopped = true
        }
    }

    func fail(_ text: String) { finding = finding ?? text }

    /// The trace.
    func note(_ event: IDETraceEvent) {
        step.events += 1
        if memory.devices.contains(where: \.isInside) { fail("an event within DMA: \(event)") }
        switch event {
        case .command(let slot, let opcode, _, let count, let address):
            tally.commands += 1
            channels[slot.rawValue >> 1].opcode = opcode
            channels[slot.rawValue >> 1].sectors = nil
            noteWrite(slot, opcode, count, address)
        case .packet(let slot, let bytes):
            tally.packets += 1
            channels[slot.rawValue >> 1].packet = bytes[0]
        case .table(let channel, _, let bytes):
            tally.tables += 1
            noteTable(channel, bytes)
        case .status(let slot, let status, _):
            if status & DriveStatus.errorBit != 0 {
                tally.failures += 1
                step.hasFailed = true
                step.excuses[1 - (slot.rawValue >> 1)] = true
            }
        case .reset(let channel): step.excuses[channel] = true
        case .read, .write, .interrupt: break
        }
    }

    /// Commands that write sectors, and those of them whose address has 48 bits (ATA/ATAPI-6 8.55
    /// to 8.63, ACS-2 7.64 and 7.69).
    private static let writes: Set<UInt8> = [
        Opcode.writeSectors, Opcode.writeSectorsNoRetry, Opcode.writeMultiple, Opcode.writeDMA,
        Opcode.writeDMANoRetry, Opcode.writeSectorsExt, Opcode.writeMultipleExt,
        Opcode.writeMultipleFUAExt, Opcode.writeDMAExt, Opcode.writeDMAFUAExt,
    ]
    private static let extended: Set<UInt8> = [
        Opcode.writeSectorsExt, Opcode.writeMultipleExt, Opcode.writeMultipleFUAExt,
        Opcode.writeDMAExt, Opcode.writeDMAFUAExt,
    ]

    private func noteWrite(_ slot: IDESlot, _ opcode: UInt8, _ count: UInt16, _ address: UInt64) {
        guard let file = disk(in: slot) else { return }
        let all = 0..<file.sectorCount
        // TRIM has its addresses in memory.
        if opcode == Opcode.dataSetManagement { return note(slot, all) }
        guard Self.writes.contains(opcode) else { return }
        for device in channels[slot.rawValue >> 1].devices {
            if device & DeviceSelect.lba == 0 {
                note(slot, all)
            } else if Self.extended.contains(opcode) {
                let number = count == 0 ? 65536 : UInt64(count)
                note(slot, address..<address + number)
            } else {
                let start = address & 0xFF_FFFF | UInt64(device & 15) << 24
                let number = count & 0xFF == 0 ? 256 : UInt64(count & 0xFF)
                note(slot, start..<start + number)
            }
        }
    }

    private func note(_ slot: IDESlot, _ range: Range<UInt64>) {
        disk(in: slot)?.allow(range)
        let channel = slot.rawValue >> 1
        let former = channels[channel].sectors?.range ?? range
        channels[channel].sectors = (
            slot,
            min(former.lowerBound, range.lowerBound)..<max(former.upperBound, range.upperBound)
        )
    }

    /// READ DMA in all its forms, and packets that bring data.
    private func writesMemory(_ channel: Channel) -> Bool {
        switch channel.opcode {
        case Opcode.readDMA, Opcode.readDMANoRetry, Opcode.readDMAExt: true
        case Opcode.packet: channel.packet != PacketOpcode.modeSelect10
        default: false
        }
    }

    private func noteTable(_ number: Int, _ bytes: UInt64) {
        guard writesMemory(channels[number]) else { return }
        tally.transfers += 1
        if !isResuming {
            guard let ranges = memory.table(at: channels[number].table, bytes: bytes) else {
                memory.isOpen = true
                return
            }
            channels[number].ranges = ranges
        }
        memory.allow(channels[number].ranges)
    }
}
