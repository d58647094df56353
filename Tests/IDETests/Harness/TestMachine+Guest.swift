import IDE
import XCTest
@testable import TestSupport

// What a driver does.
extension TestMachine {
    func inb(_ port: UInt16) -> UInt8 {
        UInt8(truncatingIfNeeded: controller.readPort(port, width: 1))
    }

    func outb(_ port: UInt16, _ value: UInt8) {
        controller.writePort(port, width: 1, value: UInt32(value))
    }

    /// Reading it lowers the interrupt.
    var status: UInt8 { inb(IDEPort.status) }
    var alternateStatus: UInt8 { inb(IDEPort.alternateStatus) }
    var error: UInt8 { inb(IDEPort.error) }
    var count: UInt8 { inb(IDEPort.count) }
    var device: UInt8 { inb(IDEPort.device) }
    var bmStatus: UInt8 { inb(Self.busMaster + BusMasterRegister.status) }

    /// Bits 23:0 of the address registers, as they are.
    var address24: UInt32 {
        UInt32(inb(IDEPort.lbaLow)) | UInt32(inb(IDEPort.lbaMid)) << 8 | UInt32(
            inb(IDEPort.lbaHigh)) << 16
    }

    var lba28: UInt32 { address24 | UInt32(device & 0xF) << 24 }

    var lba48: UInt64 {
        let low = UInt64(address24)
        outb(IDEPort.deviceControl, DeviceControlBits.highOrderByte | deviceControl)
        defer { outb(IDEPort.deviceControl, deviceControl) }
        return low | UInt64(address24) << 24
    }

    /// The count with its high byte.
    var count16: UInt16 {
        let low = UInt16(count)
        outb(IDEPort.deviceControl, DeviceControlBits.highOrderByte | deviceControl)
        defer { outb(IDEPort.deviceControl, deviceControl) }
        return low | UInt16(count) << 8
    }

    // MARK: Commands

    /// Writes the registers of a 28-bit command in LBA mode and gives it.
    func command28(
        _ opcode: UInt8, lba: UInt32 = 0, count: UInt8 = 0, features: UInt8 = 0, device: UInt8 = 0
    ) {
        outb(
            IDEPort.device,
            DeviceSelect.master | DeviceSelect.lba | device | UInt8(lba >> 24 & 0xF))
        outb(IDEPort.features, features)
        outb(IDEPort.count, count)
        outb(IDEPort.lbaLow, UInt8(truncatingIfNeeded: lba))
        outb(IDEPort.lbaMid, UInt8(truncatingIfNeeded: lba >> 8))
        outb(IDEPort.lbaHigh, UInt8(truncatingIfNeeded: lba >> 16))
        outb(IDEPort.command, opcode)
    }

    /// The same for a 48-bit command.
    func command48(
        _ opcode: UInt8, lba: UInt64 = 0, count: UInt16 = 0, features: UInt16 = 0,
        device: UInt8 = 0
    ) {
        outb(IDEPort.device, DeviceSelect.master | DeviceSelect.lba | device)
        for byte in [1, 0] as [UInt64] {
            outb(IDEPort.features, UInt8(truncatingIfNeeded: features >> (8 * byte)))
            outb(IDEPort.count, UInt8(truncatingIfNeeded: count >> (8 * byte)))
            outb(IDEPort.lbaLow, UInt8(truncatingIfNeeded: lba >> (24 * byte)))
            outb(IDEPort.lbaMid, UInt8(truncatingIfNeeded: lba >> (24 * byte + 8)))
            outb(IDEPort.lbaHigh, UInt8(truncatingIfNeeded: lba >> (24 * byte + 16)))
        }
        outb(IDEPort.command, opcode)
    }

    /// The same for a command with a CHS address.
    func commandCHS(
        _ opcode: UInt8, cylinder: UInt16, head: UInt8, sector: UInt8, count: UInt8
    ) {
        outb(IDEPort.device, DeviceSelect.master | head)
        outb(IDEPort.count, count)
        outb(IDEPort.lbaLow, sector)
        outb(IDEPort.lbaMid, UInt8(truncatingIfNeeded: cylinder))
        outb(IDEPort.lbaHigh, UInt8(cylinder >> 8))
        outb(IDEPort.command, opcode)
    }

    // MARK: PIO

    /// The words of the data port: some by themselves, and then as a string.
    func readData(count: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        let single = min(count, 32)
        for index in stride(from: 0, to: single, by: 2) {
            let word = controller.readPort(IDEPort.data, width: 2)
            result[index] = UInt8(truncatingIfNeeded: word)
            result[index + 1] = UInt8(truncatingIfNeeded: word >> 8)
        }
        result.withUnsafeMutableBytes {
            controller.transferBlock(
                from: IDEPort.data, width: 2,
                into: UnsafeMutableRawBufferPointer(rebasing: $0[single...]))
        }
        note(result)
        return result
    }

    func writeData(_ bytes: [UInt8]) {
        let single = min(bytes.count, 32)
        for index in stride(from: 0, to: single, by: 2) {
            controller.writePort(
                IDEPort.data, width: 2, value: UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8)
        }
        bytes.withUnsafeBytes {
            controller.transferBlock(
                to: IDEPort.data, width: 2, from: UnsafeRawBufferPointer(rebasing: $0[single...]))
        }
    }

    /// IDENTIFY DEVICE, as words.
    func identify(device: UInt8 = 0) -> [UInt16] {
        command28(Opcode.identifyDevice, device: device)
        settle()
        let bytes = readData(count: 512)
        _ = status
        return (0..<256).map { UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8 }
    }

    // MARK: DMA

    /// Writes a descriptor table and gives its address to the bus master. A size of 65536 is
    /// written as 0.
    func setTable(
        _ entries: [(address: UInt32, size: Int)], isEnded: Bool = true, at table: UInt32 = table
    ) {
        var bytes: [UInt8] = []
        for (index, entry) in entries.enumerated() {
            let isLast = isEnded && index == entries.count - 1
            let words = [entry.address, UInt32(entry.size & 0xFFFF) | (isLast ? 1 << 31 : 0)]
            for word in words {
                for byte in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * byte))) }
            }
        }
        write(bytes, at: table)
        controller.writePort(
            Self.busMaster + BusMasterRegister.table, width: 4, value: table)
    }

    /// Bit 0 of the bus-master command; bit 3 says that memory is written.
    func start(toMemory: Bool) {
        outb(
            Self.busMaster,
            toMemory ? BusMasterCommand.startWritingMemory : BusMasterCommand.startReadingMemory)
    }

    func stop() { outb(Self.busMaster, BusMasterCommand.stop) }

    /// Clears the interrupt and error bits of the bus master, to which 1 is written.
    func clearBusMasterStatus() {
        outb(
            Self.busMaster + BusMasterRegister.status, BusMasterStatus.interruptAndError)
    }

    /// As a driver does it: table, direction, command, start, wait, stop.
    func transfer(
        _ opcode: UInt8, lba: UInt32, count: UInt8, _ entries: [(address: UInt32, size: Int)]
    ) {
        stop()
        clearBusMasterStatus()
        setTable(entries)
        command28(opcode, lba: lba, count: count)
        start(toMemory: opcode == Opcode.readDMA)
        settle()
    }
}
