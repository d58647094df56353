import BlockATA
import BlockDMA
import BlockIO
import IDE
import XCTest

/// docs/ide-rules.md, "State".
final class StateTests: IDETestCase {
    func testIdle() throws {
        try forEachMachine { m in
            m.controller.writeConfiguration(0x40, width: 2, value: 0xA307)
            m.command28(0xC6, count: 4)
            m.command28(0xEF, count: 0x22, features: 3)
            m.command48(0x27, features: 0x1234)
            m.outb(0x1F2, 0x77)
            m.control(0x80)
            try move(m)
            m.control(0)
            let words = m.identify()
            XCTAssertEqual([words[59], words[63]], [0x0104, 0x0407])
            try move(m)
            m.sample("done")
        }
    }

    func testInterruptIsRaisedAgain() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.command28(0xE5)
            XCTAssertTrue(m.irq)
            try move(m)
            XCTAssertEqual(m.takeChanges().last, "irq14+")
            XCTAssertEqual(m.status, 0x50)
            XCTAssertFalse(m.irq)
            m.command28(0xE5)
            m.control(2)
            try move(m)
            XCTAssertFalse(m.irq)
            m.control(0)
            XCTAssertTrue(m.irq)
        }
    }

    func testInTheMiddleOfData() throws {
        try forEachMachine { m in
            m.command28(0x20, lba: 9, count: 2)
            m.settle()
            var data = m.readData(count: 100)
            try move(m)
            data += m.readData(count: 412)
            m.settle()
            try move(m)
            data += m.readData(count: 512)
            XCTAssertEqual(data, Self.content(sector: 9, count: 2))
            XCTAssertEqual(m.status, 0x50)
            m.sample("read", data)
            data = (0..<1024).map { UInt8(truncatingIfNeeded: $0 / 3) }
            m.command28(0x30, lba: 9, count: 2)
            try move(m)
            m.writeData(Array(data[..<700]))
            m.settle()
            try move(m)
            m.writeData(Array(data[512..<1024]))
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(try m.medium(sector: 9, count: 2), data)
            m.command28(0xE8)
            m.writeData(Array(data[..<10]))
            try move(m)
            m.writeData(Array(data[10..<512]))
            try move(m)
            m.command28(0xE4)
            try move(m)
            XCTAssertEqual(m.readData(count: 512), Array(data[..<512]))
            m.sample("done")
        }
    }

    func testArmed() throws {
        try forEachMachine { m in
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                m.setTable([(Machine.data, 1024)])
                m.command28(opcode, lba: 9, count: 2)
                try move(m)
                XCTAssertEqual(m.alternateStatus, 0x58)
                m.start(toMemory: opcode == 0xC8)
                m.settle()
                XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
                m.sample(hex(opcode), m.bytes(at: Machine.data, count: 1024))
            }
            m.write(TrimTests.ranges([(16, 8)]), at: Machine.data)
            m.stop()
            m.setTable([(Machine.data, 512)])
            m.command48(0x06, count: 1, features: 1)
            try move(m)
            m.start(toMemory: false)
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            m.sample("trim")
        }
    }

    func testInFlight() throws {
        try forEachMachine { m in
            m.setTable([(Machine.data, 65536)])
            m.command28(0xC8, lba: 9, count: 128)
            m.start(toMemory: true)
            try move(m)
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50], "drained first")
            XCTAssertEqual(
                m.bytes(at: Machine.data, count: 65536), Self.content(sector: 9, count: 128))
            m.command28(0x40, lba: 0, count: 0)
            try move(m)
            XCTAssertEqual(m.status, 0x50)
            m.sample("done")
        }
    }

    func testKeptByPolicy() throws {
        try forEachMachine(DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop)) { m in
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.faults.add(.init(.error(EIO), operations: [.read, .write], count: 1))
                m.write([UInt8](repeating: 0x65, count: 1024), at: Machine.data)
                m.transfer(
                    opcode, lba: 9, count: 2, [(Machine.data, 700), (Machine.data + 700, 324)])
                XCTAssertEqual(m.alternateStatus, 0xD0)
                m.setTable([(0x8000_0000, 512)])
                try move(m)
                m.controller.resume()
                m.settle()
                XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
                m.sample(hex(opcode), m.bytes(at: Machine.data, count: 1024))
            }
            XCTAssertEqual(try m.medium(sector: 9, count: 2), [UInt8](repeating: 0x65, count: 1024))
            m.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            m.command28(0x30, lba: 9, count: 1)
            m.writeData([UInt8](repeating: 0x12, count: 512))
            m.settle()
            try move(m)
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            XCTAssertEqual(try m.medium(sector: 9, count: 1), [UInt8](repeating: 0x12, count: 512))
            m.sample("write")
            m.faults.add(.init(.error(EIO), operations: [.discard], count: 1))
            m.stop()
            m.write(TrimTests.ranges([(16, 8)]), at: Machine.data)
            m.setTable([(Machine.data, 512)])
            m.command48(0x06, count: 1, features: 1)
            m.start(toMemory: false)
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0xD0)
            try move(m)
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            m.sample("trim")
        }
    }

    func testHeldReset() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.control(4)
            try move(m)
            XCTAssertEqual(m.alternateStatus, 0x80)
            m.control(0)
            XCTAssertEqual(m.alternateStatus, 0x50)
        }
    }

    func testSaveDoesNotWaitForEver() throws {
        let m = try machine()
        let hold = m.faults.add(.init(.hold))
        m.command28(0x20, lba: 0, count: 1)
        XCTAssertThrowsError(try m.controller.save(timeout: .milliseconds(10))) {
            XCTAssertEqual($0 as? IDEError, .busy)
        }
        XCTAssertThrowsError(try m.controller.load([])) {
            XCTAssertEqual($0 as? IDEError, .busy)
        }
        m.faults.remove(hold)
        m.faults.release()
        m.settle()
        XCTAssertEqual(m.status, 0x58)
    }

    func testOtherHardware() throws {
        let m = try machine()
        let state = try m.controller.save()
        let other = try Machine(.one, identity: .piix4)
        XCTAssertThrowsError(try other.controller.load(state)) {
            guard case IDEError.otherHardware = $0 else { return XCTFail("\($0)") }
        }
        let empty = try Machine()
        XCTAssertThrowsError(try empty.controller.load(state)) {
            guard case IDEError.otherHardware = $0 else { return XCTFail("\($0)") }
        }
        let larger = try Machine()
        let image = try TemporaryImage(size: 4 << 20)
        try larger.attach(image.path)
        XCTAssertThrowsError(try larger.controller.load(state)) {
            guard case IDEError.otherHardware = $0 else { return XCTFail("\($0)") }
        }
        let otherShape = try Machine()
        let geometry = DiskGeometry(cylinders: 2, heads: 16, sectors: 62)
        try otherShape.attach(Self.plainPath(1), DiskOptions(geometry: geometry))
        XCTAssertThrowsError(try otherShape.controller.load(state)) {
            guard case IDEError.otherHardware("primary.devices[0].drive.disk.geometry", _) = $0
            else { return XCTFail("\($0)") }
        }
        let cdrom = try Machine()
        try cdrom.attach(nil, to: .primaryMaster, CDROMOptions())
        XCTAssertThrowsError(try cdrom.controller.load(state)) {
            guard case IDEError.otherHardware("primary.devices[0].drive.kind", _) = $0 else {
                return XCTFail("\($0)")
            }
        }
        for version: UInt8 in [0, 1, 2, 4] {
            var other = state
            other[4] = version
            XCTAssertThrowsError(try m.controller.load(other)) {
                let error = IDEError.unknownVersion(UInt32(version), known: 3...3)
                XCTAssertEqual($0 as? IDEError, error)
                XCTAssertEqual("\($0)", "state of version \(version); known are 3 to 3")
            }
        }
        XCTAssertEqual(try m.controller.save(), state)
    }

    /// Whatever the bytes are: an error or a state, and a machine that runs.
    func testDamagedStates() throws {
        let m = try machine(.one, DiskOptions(writeErrorPolicy: .stop))
        m.command28(0x30, lba: 9, count: 2)
        m.faults.add(.init(.error(EIO), operations: [.write], count: 1))
        m.writeData([UInt8](repeating: 1, count: 512))
        m.settle()
        let parked = try m.controller.save()
        m.controller.resume()
        m.settle()
        let waiting = try m.controller.save()
        m.control(4)
        m.control(0)
        m.setTable([(Machine.data, 512)])
        m.command28(0xCA, lba: 9, count: 1)
        let armed = try m.controller.save()
        var random = SystemRandomNumberGenerator()
        var loaded = 0
        for state in [parked, waiting, armed] {
            XCTAssertThrowsError(try m.controller.load(Array(state.dropLast())))
            XCTAssertThrowsError(try m.controller.load(state + [0]))
            for index in state.indices {
                var damaged = state
                damaged[index] = UInt8.random(in: 0...255, using: &random)
                guard (try? m.controller.load(damaged)) != nil else { continue }
                loaded += 1
                m.controller.resume()
                m.start(toMemory: true)
                m.writeData([UInt8](repeating: 2, count: 1024))
                m.settle()
                m.controller.resume()
                m.settle()
            }
        }
        XCTAssertGreaterThan(loaded, 100)
        m.controller.reset()
        m.enable()
        XCTAssertEqual(m.status, 0x50)
    }
}
