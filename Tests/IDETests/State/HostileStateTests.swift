import BlockDMA
import BlockIO
import XCTest

@testable import BlockATA
@testable import IDE
@testable import TestSupport

/// docs/ide-rules.md, "State": states that somebody has changed. A state that is refused has changed
/// nothing, not even a line for a moment.
final class HostileStateTests: CDTestCase {
    /// The one place of these bytes.
    private func place(
        of pattern: [UInt8], in state: [UInt8], file: StaticString = #filePath, line: UInt = #line
    ) throws -> Int {
        let places = state.indices.filter { state[$0...].starts(with: pattern) }
        XCTAssertEqual(places.count, 1, file: file, line: line)
        return try XCTUnwrap(places.first, file: file, line: line)
    }

    /// Little-endian.
    private func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    private func changed(_ state: [UInt8], at place: Int, to bytes: [UInt8]) -> [UInt8] {
        var state = state
        state.replaceSubrange(place..<place + bytes.count, with: bytes)
        return state
    }

    func testHeldSectorsBehindPosition() throws {
        let machine = try cdMachine()
        machine.stop()
        machine.setTable([(TestMachine.data, 4704)])
        machine.packet(TestMachine.readCD(7, count: 2, ReadCDFields.all), isDMA: true)
        let state = try machine.controller.save()
        // Length, position, first block and part of each sector; then the sectors in the buffer.
        let command =
            bytes(UInt64(4704)) + bytes(UInt64(0)) + bytes(UInt32(7)) + [0, 0] + bytes(UInt16(2352))
        let place = try place(of: command, in: state) + command.count
        for first: UInt64 in [1, 2, .max] {
            expectRefused(changed(state, at: place, to: bytes(first)), by: machine)
        }
        machine.start(toMemory: true)
        machine.settle()
        machine.expectSuccess()
        let data = machine.bytes(at: TestMachine.data, count: 4704)
        XCTAssertTrue(data[16..<2064].elementsEqual(Self.content(block: 7)), "other memory")
    }

    /// The same without anybody's help: what the buffer held is not there when the command begins again.
    func testReadCDThatIsRepeatedFromALaterSector() throws {
        let machine = try cdMachine(.one, CDROMOptions(readErrorPolicy: .stop))
        let size = 40 * 2352
        machine.faults.add(.init(.error(EIO), operations: [.read], after: 1, count: 1))
        machine.packetDMA(
            TestMachine.readCD(7, count: 40, ReadCDFields.all),
            [(TestMachine.data, 65536), (TestMachine.data + 65536, size - 65536)])
        XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
        XCTAssertEqual(machine.events.count, 1)
        machine.controller.resume()
        machine.settle()
        XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
        machine.expectSuccess()
        let bytes = machine.bytes(at: TestMachine.data, count: size)
        for sector in 0..<40 {
            XCTAssertTrue(
                bytes[(2352 * sector + 16)...].prefix(2048)
                    .elementsEqual(Self.content(block: 7 + sector)), "sector \(sector)")
        }
    }

    /// A burst that begins at an odd place, and so would end one byte behind the buffer.
    func testABurstAtAnOddPlace() throws {
        let machine = try cdMachine()
        machine.packet(TestMachine.readCD(7, count: 33, ReadCDFields.all), limit: 0xFFFE)
        machine.settle()
        let saved = try IDEController.stateFormat.read(
            machine.controller.save(), into: SavedController())
        for (offset, isGood) in [(1, false), (3, false), (2, true), (0, true)] {
            var changed = saved
            guard case .packet(var drive) = changed.primary.devices[0].drive else {
                return XCTFail("no CD-ROM drive")
            }
            // All sectors are in the buffer, and it is full.
            drive.data = [UInt8](repeating: 0, count: ATAPIDrive.bufferSize)
            drive.job.inHand = 33
            drive.job.heldCount = 33
            drive.job.position = UInt64(drive.data.count)
            drive.window.offset = offset
            drive.window.end = (drive.data.count - offset + 1) & ~1
            changed.primary.devices[0].drive = .packet(drive)
            let state = try IDEController.stateFormat.write(changed)
            if isGood {
                try machine.controller.load(state)
            } else {
                expectRefused(state, by: machine)
            }
        }
        XCTAssertEqual(machine.readData(count: ATAPIDrive.bufferSize).count, ATAPIDrive.bufferSize)
        machine.expectSuccess()
    }

    /// A write that policy `stop` keeps is not looked at again when it is repeated.
    func testAKeptWriteOutsideTheDisk() throws {
        let machine = try machine(.one, DiskOptions(writeErrorPolicy: .stop))
        let data = [UInt8](repeating: 0x5A, count: 512)
        machine.faults.add(.init(.error(EIO), operations: [.write], count: 1))
        machine.command28(Opcode.writeSectors, lba: 9, count: 2)
        machine.writeData(data)
        machine.settle()
        let state = try machine.controller.save()
        // By LBA, not durable, kept; sector, sectors left, block size, sectors in hand.
        let command = [1, 0, 1] + bytes(UInt64(9)) + bytes(UInt32(2)) + [1] + bytes(UInt32(1))
        let place = try place(of: command, in: state) + 3
        // The last one is a byte offset that begins again at 0.
        for sector: UInt64 in [UInt64(Self.sectorCount), .max, 1 << 55 + 3] {
            expectRefused(changed(state, at: place, to: bytes(sector)), by: machine)
        }
        let (sectorsLeft, sectorsInHand) = (8, 13)
        for (offset, count) in [
            (sectorsLeft, 0), (sectorsLeft, 65537), (sectorsInHand, 0), (sectorsInHand, 2),
            (sectorsInHand, 65536),
        ] as [(Int, UInt32)] {
            expectRefused(changed(state, at: place + offset, to: bytes(count)), by: machine)
        }
        machine.controller.resume()
        machine.settle()
        XCTAssertTrue(try machine.medium(sector: 9, count: 1) == data)
        XCTAssertTrue(try machine.medium(sector: 3, count: 1) == Self.content(sector: 3))
    }

    /// The ranges of a TRIM that policy `stop` keeps have been checked before.
    func testKeptRangesOutsideTheDisk() throws {
        let machine = try machine(.one, DiskOptions(writeErrorPolicy: .stop))
        machine.faults.add(.init(.error(EIO), operations: [.discard], count: 1))
        machine.write(TrimTests.ranges([(16, 8)]), at: TestMachine.data)
        machine.setTable([(TestMachine.data, 512)])
        machine.command48(Opcode.dataSetManagement, count: 1, features: DataSetManagement.trim)
        machine.start(toMemory: false)
        machine.settle()
        let state = try machine.controller.save()
        let place = try place(of: TrimTests.ranges([(16, 8)]), in: state)
        for (sector, count) in [(2041, 8), (2048, 1), (1 << 48 - 1, 0xFFFF)] as [(UInt64, UInt64)] {
            expectRefused(
                changed(state, at: place, to: bytes(sector | count << 48)), by: machine)
        }
        machine.controller.resume()
        machine.settle()
        XCTAssertEqual(
            [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
    }

    /// A transfer that is kept is repeated with the table of the state, which must be long enough.
    func testAKeptTransferWithAShorterTable() throws {
        let machine = try machine(.one, DiskOptions(readErrorPolicy: .stop))
        machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
        machine.transfer(Opcode.readDMA, lba: 9, count: 2, [(TestMachine.data, 1024)])
        let state = try machine.controller.save()
        // Bit 31 of the size ends a table.
        let end: UInt32 = 1 << 31
        let entry = bytes(TestMachine.data) + bytes(1024 | end)
        let place = try place(of: entry, in: state) + 4
        expectRefused(changed(state, at: place, to: bytes(1022 | end)), by: machine)
        machine.controller.resume()
        machine.settle()
        XCTAssertEqual(
            [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle])
    }

    /// Registers that contradict each other: a drive is at work that is not selected, is not there, or has
    /// no command.
    func testContradictions() throws {
        let machine = try machine()
        machine.command28(Opcode.checkPowerMode)
        let state = try machine.controller.save()
        // The section begins with its length, DEV, device control, the interrupt, the reset.
        let name = Array("primary".utf8)
        let place = try place(of: name, in: state) + name.count + 4
        XCTAssertEqual(Array(state[place..<place + 4]), [0, 0, 1, 0])
        let (selected, deviceControl, isResetting) = (0, 1, 3)
        // Then the registers of the bus master.
        let (command, busMasterStatus, table) = (4, 5, 6)
        for (offset, value) in [
            (selected, 1), (selected, 2), (deviceControl, DeviceControlBits.softwareReset),
            (isResetting, 1), (command, 0x02), (busMasterStatus, BusMasterStatus.active),
            (busMasterStatus, 0x08), (table, 0x01),
        ] as [(Int, UInt8)] {
            expectRefused(changed(state, at: place + offset, to: [value]), by: machine)
        }
        // Behind the bus master and its table, which is empty: ten bytes of registers, the device
        // register, status, error, and whether a DMA command waits.
        let registers = place + 12 + 4 + 10
        let (device, status, isArmed) = (0, 1, 3)
        XCTAssertEqual(
            Array(state[registers..<registers + 4]),
            [DeviceSelect.master | DeviceSelect.lba, DriveStatus.idle, 0, 0])
        for (offset, value) in [
            (device, DeviceSelect.slave | DeviceSelect.lba), (device, DeviceSelect.lba),
            (status, DriveStatus.working), (status, DriveStatus.busy),
            (status, DriveStatus.wantsData), (status, 0), (isArmed, 1), (isArmed, 2),
        ] as [(Int, UInt8)] {
            expectRefused(changed(state, at: registers + offset, to: [value]), by: machine)
        }
        XCTAssertTrue(machine.irq)
        XCTAssertEqual(machine.status, DriveStatus.idle)
    }

    /// The state is refused for what is in it, and the machine is as it was.
    private func expectRefused(
        _ state: [UInt8], by machine: TestMachine, file: StaticString = #filePath,
        line: UInt = #line
    ) {
        do {
            let before = try machine.controller.save()
            _ = machine.takeChanges()
            XCTAssertThrowsError(try machine.controller.load(state), file: file, line: line) {
                guard case IDEError.damagedState = $0 else {
                    return XCTFail("\($0)", file: file, line: line)
                }
            }
            XCTAssertTrue(
                try machine.controller.save() == before, "changed", file: file, line: line)
            XCTAssertEqual(machine.takeChanges(), [], file: file, line: line)
        } catch {
            XCTFail("\(error)", file: file, line: line)
        }
    }
}
