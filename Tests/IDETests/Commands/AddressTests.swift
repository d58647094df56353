import BlockATA
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Task file": addresses, counts, what is out of range.
final class AddressTests: IDETestCase {
    private let last = UInt32(IDETestCase.sectorCount - 1)

    func testPIOReadStopsAtTheFirstSectorOutside() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.readSectors, lba: last, count: 2)
            machine.settle()
            XCTAssertEqual(machine.readData(count: 512), Self.content(sector: UInt64(last)))
            XCTAssertEqual(machine.status, DriveStatus.failed)
            XCTAssertEqual(machine.error, DriveError.addressNotFound)
            XCTAssertEqual(machine.lba28, last + 1)
            machine.sample("beyond the end")
            machine.command28(Opcode.readSectors, lba: 0xFFF_FFFF, count: 0)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, DriveStatus.failed)
            XCTAssertEqual(machine.error, DriveError.addressNotFound)
            XCTAssertEqual(machine.lba28, 0xFFF_FFFF)
            machine.sample("far beyond")
        }
    }

    func testPIOWriteNeverLeavesTheDisk() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.writeSectors, lba: last, count: 2)
            machine.writeData([UInt8](repeating: 0x77, count: 512))
            machine.settle()
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.addressNotFound])
            XCTAssertEqual(machine.lba28, last + 1)
            XCTAssertEqual(try machine.medium(sector: UInt64(last), count: 1)[0], 0x77)
            machine.command28(Opcode.writeSectors, lba: last + 1, count: 1)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.addressNotFound])
            machine.sample("beyond the end")
        }
    }

    func testDMAReportsWhenItWouldBegin() throws {
        try forEachMachine { machine in
            for (opcode, lba, named) in [
                (Opcode.readDMA, last, last + 1), (Opcode.writeDMA, last - 1, last + 1),
                (Opcode.readDMA, 0xFFF_FFFF, 0xFFF_FFFF),
            ] as [(UInt8, UInt32, UInt32)] {
                machine.stop()
                machine.setTable([(TestMachine.data, 4 * 512)])
                machine.command28(opcode, lba: lba, count: 4)
                XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData, "not before START")
                XCTAssertFalse(machine.irq)
                machine.start(toMemory: opcode == Opcode.readDMA)
                XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(
                    [machine.status, machine.error],
                    [DriveStatus.failed, DriveError.addressNotFound])
                XCTAssertEqual(machine.lba28, named)
                machine.sample(
                    "\(hex(opcode))", try machine.medium(sector: UInt64(last) - 3, count: 4))
                machine.outb(
                    TestMachine.busMaster + BusMasterRegister.status, BusMasterStatus.interrupt)
            }
            XCTAssertEqual(machine.takeDirtyPages().filter { $0 >= 0x100 }, [])
            XCTAssertEqual(
                try machine.medium(sector: UInt64(last) - 1, count: 2),
                Self.content(sector: UInt64(last) - 1, count: 2))
        }
    }

    func testAny48BitAddress() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let addresses: [UInt64] = [
                2048, 1 << 24, 1 << 28, 1 << 32, 1 << 40, (1 << 48) - 1, (1 << 48) - 65536,
            ]
            for opcode: UInt8 in [
                Opcode.readSectorsExt, Opcode.writeSectorsExt, Opcode.readMultipleExt,
                Opcode.writeMultipleExt, Opcode.readVerifyExt, Opcode.readDMAExt,
                Opcode.writeDMAExt, Opcode.writeDMAFUAExt, Opcode.writeMultipleFUAExt,
            ] {
                for lba in addresses {
                    machine.stop()
                    machine.setTable([UInt32](0..<512).map { (TestMachine.data + $0, 65536) })
                    machine.command48(opcode, lba: lba, count: 0)
                    machine.start(toMemory: true)
                    machine.settle()
                    XCTAssertEqual(
                        [machine.status, machine.error],
                        [DriveStatus.failed, DriveError.addressNotFound],
                        "\(hex(opcode)) \(hex(lba))")
                    XCTAssertEqual(machine.lba48, lba)
                }
            }
            XCTAssertEqual(
                try machine.medium(sector: 0, count: 2048), Self.content(sector: 0, count: 2048))
        }
    }

    func testCount0Is65536() throws {
        let directory = try TemporaryImage(size: 40 << 20)
        try compare(
            over: MachineConfiguration.engines.filter { $0.bounce == .usual },
            with: machines(with: directory.path)
        ) { machine in
            machine.setTable([UInt32](0..<512).map { (TestMachine.data + $0 % 8 * 65536, 65536) })
            machine.command48(Opcode.readDMAExt, lba: 100, count: 0)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(machine.lba48, 100 + 65536)
            XCTAssertEqual(machine.count16, 0)
        }
    }

    func testCHS() throws {
        try forEachMachine(
            DiskOptions(geometry: DiskGeometry(cylinders: 32, heads: 4, sectors: 16))
        ) {
            machine in
            // Sector (3 * 4 + 2) * 16 + 15 = 239, and across the end of a track and a cylinder.
            machine.commandCHS(Opcode.readSectors, cylinder: 3, head: 2, sector: 16, count: 20)
            var data: [UInt8] = []
            for _ in 0..<20 {
                machine.settle()
                data += machine.readData(count: 512)
            }
            XCTAssertEqual(data, Self.content(sector: 239, count: 20))
            XCTAssertEqual(machine.status, DriveStatus.idle)
            // 259 = (4 * 4 + 0) * 16 + 3
            XCTAssertEqual(
                [
                    machine.inb(IDEPort.lbaLow), machine.inb(IDEPort.lbaMid),
                    machine.inb(IDEPort.lbaHigh), machine.device,
                ], [4, 4, 0, DeviceSelect.master])
            machine.sample("PIO", data)

            machine.setTable([(TestMachine.data, 1024)])
            machine.commandCHS(Opcode.readDMA, cylinder: 31, head: 3, sector: 15, count: 2)
            machine.start(toMemory: true)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 1024),
                Self.content(sector: 2046, count: 2))
            machine.sample("DMA")
        }
    }

    func testCHSAddressesThatAreNone() throws {
        try forEachMachine { machine in
            for (head, sector) in [(0, 0), (15, 64), (0, 255)] as [(UInt8, UInt8)] {
                for opcode: UInt8 in [
                    Opcode.readSectors, Opcode.writeSectors, Opcode.readVerify, Opcode.seek,
                ] {
                    machine.commandCHS(opcode, cylinder: 0, head: head, sector: sector, count: 1)
                    XCTAssertTrue(machine.irq)
                    XCTAssertEqual(
                        [machine.status, machine.error],
                        [DriveStatus.failed, DriveError.addressNotFound], "\(hex(opcode)) \(sector)"
                    )
                    machine.sample("\(hex(opcode)) \(sector)")
                }
                machine.stop()
                machine.setTable([(TestMachine.data, 512)])
                machine.commandCHS(
                    Opcode.readDMA, cylinder: 0, head: head, sector: sector, count: 1)
                machine.start(toMemory: true)
                XCTAssertEqual(
                    [machine.bmStatus, machine.status, machine.error],
                    [BusMasterStatus.interrupt, DriveStatus.failed, DriveError.addressNotFound])
                XCTAssertEqual(machine.inb(IDEPort.lbaLow), sector, "as it was")
                machine.outb(
                    TestMachine.busMaster + BusMasterRegister.status, BusMasterStatus.interrupt)
            }
            machine.command28(Opcode.initializeDeviceParameters, count: 63, device: 3)
            machine.commandCHS(Opcode.seek, cylinder: 0, head: 4, sector: 1, count: 0)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.addressNotFound],
                "a head too many")
            machine.commandCHS(Opcode.seek, cylinder: 8, head: 0, sector: 33, count: 0)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.addressNotFound],
                "a cylinder too many")
            machine.commandCHS(Opcode.seek, cylinder: 8, head: 0, sector: 32, count: 0)
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    func testInitializeDeviceParameters() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.initializeDeviceParameters, count: 0, device: 15)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            XCTAssertEqual(machine.identify()[IdentifyWord.currentHeads], 16)
            machine.outb(IDEPort.device, DeviceSelect.master | 7)
            machine.outb(IDEPort.count, 32)
            machine.outb(IDEPort.command, Opcode.initializeDeviceParameters)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            let words = machine.identify()
            XCTAssertEqual(Array(words[IdentifyWord.currentGeometry]), [8, 8, 32, 2048, 0])
            XCTAssertEqual(
                [
                    words[IdentifyWord.cylinders], words[IdentifyWord.heads],
                    words[IdentifyWord.sectorsPerTrack],
                ], [2, 16, 63], "the default stays")
            machine.commandCHS(Opcode.readSectors, cylinder: 2, head: 3, sector: 4, count: 1)
            machine.settle()
            XCTAssertEqual(machine.readData(count: 512), Self.content(sector: (2 * 8 + 3) * 32 + 3))
            machine.sample("done")
        }
    }

    func testSeekAndVerifyCheckTheAddress() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.seek, lba: last)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.command28(Opcode.seek, lba: last + 1)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.addressNotFound])
            machine.sample("seek")
            for opcode: UInt8 in [
                Opcode.readVerify, Opcode.readVerifyNoRetry, Opcode.readVerifyExt,
            ] {
                machine.command48(opcode, lba: 0, count: 200)
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working, "it takes the medium")
                machine.settle()
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                machine.sample("\(hex(opcode)) inside")
                machine.command48(opcode, lba: UInt64(last) - 2, count: 4)
                machine.settle()
                XCTAssertEqual(
                    [machine.status, machine.error],
                    [DriveStatus.failed, DriveError.addressNotFound])
                XCTAssertEqual(machine.lba28, last + 1)
                machine.sample("\(hex(opcode)) outside")
            }
        }
    }

    func testVerifyReadsTheMedium() throws {
        try forEachMachine { machine in
            let disk = try XCTUnwrap(machine.disks[.primaryMaster])
            let before = disk.queue.statistics.reads.bytes
            machine.command28(Opcode.readVerify, lba: 256, count: 0)
            machine.settle()
            XCTAssertGreaterThanOrEqual(disk.queue.statistics.reads.bytes - before, 256 * 512)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.faults.add(.init(.error(EIO), range: 400 * 512..<401 * 512, count: 1))
            machine.command28(Opcode.readVerify, lba: 256, count: 0)
            machine.settle()
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.uncorrectable])
            XCTAssertGreaterThanOrEqual(machine.lba28, 256)
            XCTAssertLessThanOrEqual(machine.lba28, 400)
        }
    }
}
