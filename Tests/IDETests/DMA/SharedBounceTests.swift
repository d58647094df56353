import BlockATA
import BlockIO
import Glibc
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// Transfers of both channels that want the same bounce buffers.
final class SharedBounceTests: IDETestCase {
    private let base: UInt32 = 0x4000_0000
    /// As much as there is of bounce buffers.
    private static let size = sectorCount * 512

    /// The emulator sleeps on the descriptors, and has no `IDEOptions.wake`: there is no other device.
    func testWhatOneChannelGivesBackTheOtherGoesOnWith() throws {
        for ports: (first: UInt16, second: UInt16) in [
            (ChannelPort.primary, ChannelPort.secondary),
            (ChannelPort.secondary, ChannelPort.primary),
        ] {
            let machine = try machine()
            try machine.attach(Self.plainPath(1), to: .secondaryMaster)
            let peer = HeldMemory(size: Self.size)
            peer.isHolding = false
            try machine.space.map(.remote(peer, size: UInt64(Self.size)), at: GuestAddress(base))
            XCTAssertEqual(machine.space.bouncePool.size, Self.size)
            let hold = machine.faults.add(.init(.hold, operations: [.read], count: 1))
            read(machine, ports.first, sectors: UInt16(Self.sectorCount), table: 0x1000)
            XCTAssertEqual(machine.space.bouncePool.available, 0)
            read(machine, ports.second, sectors: 8, table: 0x2000)
            XCTAssertEqual(machine.space.bouncePool.waiting, 1)
            machine.faults.remove(hold)
            machine.faults.release()
            for _ in 0..<1000 where machine.controller.isBusy {
                guard isReadable(machine.controller.descriptors) else {
                    machine.settle()
                    return XCTFail("\(ports): nobody is told to poll")
                }
                machine.controller.poll()
            }
            XCTAssertEqual(
                [
                    machine.inb(IDEPort.status),
                    machine.inb(ChannelPort.secondary + CommandBlock.status),
                ],
                [DriveStatus.idle, DriveStatus.idle], "\(ports)")
        }
    }

    /// READ DMA EXT from sector 0 on into the peer's memory.
    private func read(_ machine: TestMachine, _ port: UInt16, sectors: UInt16, table: UInt32) {
        let registers =
            TestMachine.busMaster
            + (port == ChannelPort.secondary ? BusMasterRegister.secondChannel : 0)
        var entries: [(address: UInt32, size: Int)] = []
        for place in stride(from: 0, to: Int(sectors) * 512, by: 65536) {
            entries.append((base + UInt32(place), min(65536, Int(sectors) * 512 - place)))
        }
        machine.setTable(entries, at: table)
        machine.controller.writePort(
            registers + BusMasterRegister.table, width: 4, value: table)
        machine.outb(port + CommandBlock.device, DeviceSelect.master | DeviceSelect.lba)
        for byte in [UInt8(sectors >> 8), UInt8(truncatingIfNeeded: sectors)] {
            machine.outb(port + CommandBlock.count, byte)
            for register in CommandBlock.lbaLow...CommandBlock.lbaHigh {
                machine.outb(port + register, 0)
            }
        }
        machine.outb(port + CommandBlock.command, Opcode.readDMAExt)
        machine.outb(registers, BusMasterCommand.startWritingMemory)
    }

    private func isReadable(_ descriptors: [CInt]) -> Bool {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var count: CInt = -1
        repeat { count = poll(&entries, nfds_t(entries.count), 5000) } while count < 0
        return count > 0
    }
}
