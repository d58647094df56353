import BlockATA
import BlockDMA
import BlockIO
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "State".
final class StateTests: IDETestCase {
    func testIdle() throws {
        try forEachMachine { machine in
            machine.controller.writeConfiguration(PIIXOffset.timing, width: 2, value: 0xA307)
            machine.command28(Opcode.setMultipleMode, count: 4)
            machine.command28(
                Opcode.setFeatures, count: TransferModeValue.multiwordDMA(2),
                features: Feature.setTransferMode)
            machine.command48(Opcode.readNativeMaxAddressExt, features: 0x1234)
            machine.outb(IDEPort.count, 0x77)
            machine.control(DeviceControlBits.highOrderByte)
            try move(machine)
            machine.control(0)
            let words = machine.identify()
            XCTAssertEqual(
                [words[IdentifyWord.multipleSetting], words[IdentifyWord.multiwordDMA]],
                [0x0104, 0x0407])
            try move(machine)
            machine.sample("done")
        }
    }

    func testInterruptIsRaisedAgain() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.command28(Opcode.checkPowerMode)
            XCTAssertTrue(machine.irq)
            try move(machine)
            XCTAssertEqual(machine.takeChanges().last, "irq14+")
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertFalse(machine.irq)
            machine.command28(Opcode.checkPowerMode)
            machine.control(DeviceControlBits.interruptDisable)
            try move(machine)
            XCTAssertFalse(machine.irq)
            machine.control(0)
            XCTAssertTrue(machine.irq)
        }
    }

    func testInTheMiddleOfData() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.readSectors, lba: 9, count: 2)
            machine.settle()
            var data = machine.readData(count: 100)
            try move(machine)
            data += machine.readData(count: 412)
            machine.settle()
            try move(machine)
            data += machine.readData(count: 512)
            XCTAssertEqual(data, Self.content(sector: 9, count: 2))
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("read", data)
            data = (0..<1024).map { UInt8(truncatingIfNeeded: $0 / 3) }
            machine.command28(Opcode.writeSectors, lba: 9, count: 2)
            try move(machine)
            machine.writeData(Array(data[..<700]))
            machine.settle()
            try move(machine)
            machine.writeData(Array(data[512..<1024]))
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(try machine.medium(sector: 9, count: 2), data)
            machine.command28(Opcode.writeBuffer)
            machine.writeData(Array(data[..<10]))
            try move(machine)
            machine.writeData(Array(data[10..<512]))
            try move(machine)
            machine.command28(Opcode.readBuffer)
            try move(machine)
            XCTAssertEqual(machine.readData(count: 512), Array(data[..<512]))
            machine.sample("done")
        }
    }

    func testArmed() throws {
        try forEachMachine { machine in
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.stop()
                machine.clearBusMasterStatus()
                machine.setTable([(TestMachine.data, 1024)])
                machine.command28(opcode, lba: 9, count: 2)
                try move(machine)
                XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
                machine.start(toMemory: opcode == Opcode.readDMA)
                machine.settle()
                XCTAssertEqual(
                    [machine.bmStatus, machine.status],
                    [BusMasterStatus.interrupt, DriveStatus.idle])
                machine.sample(hex(opcode), machine.bytes(at: TestMachine.data, count: 1024))
            }
            machine.write(TrimTests.ranges([(16, 8)]), at: TestMachine.data)
            machine.stop()
            machine.setTable([(TestMachine.data, 512)])
            machine.command48(Opcode.dataSetManagement, count: 1, features: DataSetManagement.trim)
            try move(machine)
            machine.start(toMemory: false)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("trim")
        }
    }

    func testInFlight() throws {
        try forEachMachine { machine in
            machine.setTable([(TestMachine.data, 65536)])
            machine.command28(Opcode.readDMA, lba: 9, count: 128)
            machine.start(toMemory: true)
            try move(machine)
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle],
                "drained first")
            XCTAssertEqual(
                machine.bytes(at: TestMachine.data, count: 65536),
                Self.content(sector: 9, count: 128))
            machine.command28(Opcode.readVerify, lba: 0, count: 0)
            try move(machine)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("done")
        }
    }

    func testKeptByPolicy() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) {
            machine in
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.faults.add(.init(.error(EIO), operations: [.read, .write], count: 1))
                machine.write([UInt8](repeating: 0x65, count: 1024), at: TestMachine.data)
                machine.transfer(
                    opcode, lba: 9, count: 2,
                    [(TestMachine.data, 700), (TestMachine.data + 700, 324)])
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                machine.setTable([(0x8000_0000, 512)])
                try move(machine)
                machine.controller.resume()
                machine.settle()
                XCTAssertEqual(
                    [machine.bmStatus, machine.status],
                    [BusMasterStatus.interrupt, DriveStatus.idle])
                machine.sample(hex(opcode), machine.bytes(at: TestMachine.data, count: 1024))
            }
            XCTAssertEqual(
                try machine.medium(sector: 9, count: 2), [UInt8](repeating: 0x65, count: 1024))
            machine.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            machine.command28(Opcode.writeSectors, lba: 9, count: 1)
            machine.writeData([UInt8](repeating: 0x12, count: 512))
            machine.settle()
            try move(machine)
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(
                try machine.medium(sector: 9, count: 1), [UInt8](repeating: 0x12, count: 512))
            machine.sample("write")
            machine.faults.add(.init(.error(EIO), operations: [.discard], count: 1))
            machine.stop()
            machine.write(TrimTests.ranges([(16, 8)]), at: TestMachine.data)
            machine.setTable([(TestMachine.data, 512)])
            machine.command48(Opcode.dataSetManagement, count: 1, features: DataSetManagement.trim)
            machine.start(toMemory: false)
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            try move(machine)
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("trim")
        }
    }

    func testHeldReset() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.control(DeviceControlBits.softwareReset)
            try move(machine)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.busy)
            machine.control(0)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.idle)
        }
    }

    func testSaveDoesNotWaitForEver() throws {
        let machine = try machine()
        let hold = machine.faults.add(.init(.hold))
        machine.command28(Opcode.readSectors, lba: 0, count: 1)
        XCTAssertThrowsError(try machine.controller.save(timeout: .milliseconds(10))) {
            XCTAssertEqual($0 as? IDEError, .busy)
        }
        XCTAssertThrowsError(try machine.controller.load([])) {
            XCTAssertEqual($0 as? IDEError, .busy)
        }
        machine.faults.remove(hold)
        machine.faults.release()
        machine.settle()
        XCTAssertEqual(machine.status, DriveStatus.wantsData)
    }

    func testOtherHardware() throws {
        let machine = try machine()
        let state = try machine.controller.save()
        let other = try TestMachine(.one, identity: .piix4)
        XCTAssertThrowsError(try other.controller.load(state)) {
            guard case IDEError.otherHardware = $0 else { return XCTFail("\($0)") }
        }
        let empty = try TestMachine()
        XCTAssertThrowsError(try empty.controller.load(state)) {
            guard case IDEError.otherHardware = $0 else { return XCTFail("\($0)") }
        }
        let larger = try TestMachine()
        let image = try TemporaryImage(size: 4 << 20)
        try larger.attach(image.path)
        XCTAssertThrowsError(try larger.controller.load(state)) {
            guard case IDEError.otherHardware = $0 else { return XCTFail("\($0)") }
        }
        let otherShape = try TestMachine()
        let geometry = DiskGeometry(cylinders: 2, heads: 16, sectors: 62)
        try otherShape.attach(Self.plainPath(1), DiskOptions(geometry: geometry))
        XCTAssertThrowsError(try otherShape.controller.load(state)) {
            guard case IDEError.otherHardware("primary.devices[0].drive.disk.geometry", _) = $0
            else { return XCTFail("\($0)") }
        }
        let cdrom = try TestMachine()
        try cdrom.attach(nil, to: .primaryMaster, CDROMOptions())
        XCTAssertThrowsError(try cdrom.controller.load(state)) {
            guard case IDEError.otherHardware("primary.devices[0].drive.kind", _) = $0 else {
                return XCTFail("\($0)")
            }
        }
        for version: UInt8 in [0, 1, 2, 4] {
            var other = state
            other[4] = version
            XCTAssertThrowsError(try machine.controller.load(other)) {
                let error = IDEError.unknownVersion(UInt32(version), known: 3...3)
                XCTAssertEqual($0 as? IDEError, error)
                XCTAssertEqual("\($0)", "state of version \(version); known are 3 to 3")
            }
        }
        XCTAssertEqual(try machine.controller.save(), state)
    }

    /// Whatever the bytes are: an error or a state, and a machine that runs.
    func testDamagedStates() throws {
        let machine = try machine(.one, DiskOptions(writeErrorPolicy: .stop))
        machine.command28(Opcode.writeSectors, lba: 9, count: 2)
        machine.faults.add(.init(.error(EIO), operations: [.write], count: 1))
        machine.writeData([UInt8](repeating: 1, count: 512))
        machine.settle()
        let parked = try machine.controller.save()
        machine.controller.resume()
        machine.settle()
        let waiting = try machine.controller.save()
        machine.control(DeviceControlBits.softwareReset)
        machine.control(0)
        machine.setTable([(TestMachine.data, 512)])
        machine.command28(Opcode.writeDMA, lba: 9, count: 1)
        let armed = try machine.controller.save()
        var random = SystemRandomNumberGenerator()
        var loaded = 0
        for state in [parked, waiting, armed] {
            XCTAssertThrowsError(try machine.controller.load(Array(state.dropLast())))
            XCTAssertThrowsError(try machine.controller.load(state + [0]))
            for index in state.indices {
                var damaged = state
                damaged[index] = UInt8.random(in: 0...255, using: &random)
                guard (try? machine.controller.load(damaged)) != nil else { continue }
                loaded += 1
                machine.controller.resume()
                machine.start(toMemory: true)
                machine.writeData([UInt8](repeating: 2, count: 1024))
                machine.settle()
                machine.controller.resume()
                machine.settle()
            }
        }
        XCTAssertGreaterThan(loaded, 100)
        machine.controller.reset()
        machine.enable()
        XCTAssertEqual(machine.status, DriveStatus.idle)
    }
}
