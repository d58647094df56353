import BlockIO
import BlockState
import XCTest

@testable import BlockATA
@testable import IDE
@testable import TestSupport

/// The fields of saved states, one by one.
final class FieldTests: CDTestCase {
    // MARK: Round trip

    /// What is written is read again, for `count` random values of the type.
    private func roundTrip<Value: StateFields>(
        _ blank: Value, count: Int = 200, file: StaticString = #filePath, line: UInt = #line
    ) throws {
        var random = RandomValues(seed: Seed.value)
        var seen: Set<String> = []
        for _ in 0..<count {
            let value = try random.make(blank)
            var copy = value
            var writer = StateWriter()
            try copy.fields(&writer)
            XCTAssertEqual("\(copy)", "\(value)", "writing changes it", file: file, line: line)
            var reader = StateReader(writer.bytes, version: 3)
            var read = blank
            try read.fields(&reader)
            XCTAssertEqual(
                "\(read)", "\(value)", "BLOCKIO_SEED=\(Seed.text)", file: file, line: line)
            seen.insert("\(value)")
        }
        XCTAssertGreaterThan(seen.count, 1, "values differ", file: file, line: line)
    }

    func testRegisters() throws {
        try roundTrip(TwoByteRegister())
        try roundTrip(TaskFile())
        try roundTrip(DriveRegisters())
        try roundTrip(SavedWindow())
        try roundTrip(BusMaster())
        try roundTrip(SavedController.Configuration(), count: 5)
        try roundTrip(SavedController.Interrupts())
    }

    func testDisk() throws {
        try roundTrip(DiskSettings(DiskGeometry(sectorCount: 0)))
        try roundTrip(DiskGeometry(sectorCount: 0))
        try roundTrip(DiskJob())
        try roundTrip(SMARTErrorLog.Entry())
        try roundTrip(SMARTErrorLog(), count: 20)
        try roundTrip(SMARTSelfTestLog())
        try roundTrip(SavedDisk(), count: 4)
    }

    func testPacketDrive() throws {
        try roundTrip(ModeSettings())
        try roundTrip(ATAPISettings())
        try roundTrip(Sense.none)
        try roundTrip(Tray())
        try roundTrip(CommandPacket())
        try roundTrip(SectorFields.none)
        try roundTrip(PacketJob(), count: 50)
        try roundTrip(SavedPacketDrive(), count: 4)
    }

    func testWholeFunction() throws {
        try roundTrip(SavedDrive.none, count: 6)
        try roundTrip(SavedDevice(), count: 6)
        try roundTrip(SavedChannel(), count: 3)
        try roundTrip(SavedController(), count: 2)
    }

    // MARK: Damage

    private func map(_ state: [UInt8]) throws -> FieldMap {
        var saved = try IDEController.stateFormat.read(state, into: SavedController())
        // The magic number and the version.
        var map = FieldMap(from: 8)
        try saved.fields(&map)
        XCTAssertEqual(map.position, state.count)
        return map
    }

    /// Disks and CD-ROM drives, each in the middle of something, one after the other.
    private func forEachMoment(
        _ body: (_ machine: TestMachine, _ state: [UInt8]) throws -> Void
    ) throws {
        for make in [reading, keptTrim, reply, armedRead] {
            let machine = try make()
            try body(machine, machine.controller.save())
        }
    }

    private func reading() throws -> TestMachine {
        let machine = try machine()
        machine.command28(Opcode.readSectors, lba: 9, count: 2)
        machine.settle()
        _ = machine.readData(count: 100)
        return machine
    }

    private func keptTrim() throws -> TestMachine {
        let machine = try machine(.one, DiskOptions(writeErrorPolicy: .stop))
        machine.faults.add(.init(.error(EIO), operations: [.discard], count: 1))
        machine.write(TrimTests.ranges([(16, 8)]), at: TestMachine.data)
        machine.setTable([(TestMachine.data, 512)])
        machine.command48(Opcode.dataSetManagement, count: 1, features: DataSetManagement.trim)
        machine.start(toMemory: false)
        machine.settle()
        return machine
    }

    private func reply() throws -> TestMachine {
        let machine = try cdMachine()
        machine.packet(TestMachine.read10(7, count: 2), limit: 1000)
        _ = machine.readData(count: 400)
        return machine
    }

    private func armedRead() throws -> TestMachine {
        let machine = try cdMachine()
        machine.packet(TestMachine.readCD(7, count: 2, ReadCDFields.all), isDMA: true)
        return machine
    }

    /// A value that a field cannot have is refused by that field's name.
    func testARefusedFieldIsNamed() throws {
        try forEachMoment { machine, state in
            let places = try map(state).places
            var count = 0
            for place in places {
                guard let refused = place.refused else { continue }
                count += 1
                var damaged = state
                damaged.replaceSubrange(place.bytes, with: refused)
                XCTAssertThrowsError(try machine.controller.load(damaged)) {
                    guard case IDEError.damagedState(let field, _) = $0 else {
                        return XCTFail("\(place.path): \($0)")
                    }
                    XCTAssertEqual(field, place.path)
                    XCTAssertTrue("\($0)".hasPrefix("damaged state: \(place.path): "), "\($0)")
                }
            }
            XCTAssertGreaterThan(count, 30)
            XCTAssertTrue(try machine.controller.save() == state, "changed")
        }
    }

    /// Another value of one field: the controller is what the state says, or an error names a field and
    /// nothing has changed.
    func testEachFieldDamagedAlone() throws {
        var random = SplitMix64(seed: Seed.value)
        var (accepted, refused) = (0, 0)
        try forEachMoment { machine, state in
            let map = try map(state)
            let paths = map.paths
            for place in map.places {
                let byte = place.bytes.randomElement(using: &random) ?? place.bytes.lowerBound
                for value in [
                    state[byte] ^ 1, UInt8.random(in: 0...255, using: &random),
                ] where value != state[byte] {
                    var damaged = state
                    damaged[byte] = value
                    do throws(IDEError) {
                        try machine.controller.load(damaged)
                        accepted += 1
                        XCTAssertTrue(try machine.controller.save() == damaged, place.path)
                        try machine.controller.load(state)
                    } catch .damagedState(let field, _), .otherHardware(let field, _) {
                        refused += 1
                        // After another kind of drive come other fields.
                        let structure = place.path.dropLast("kind".count)
                        let isKnown =
                            paths.contains(field)
                            || (place.path.hasSuffix(".kind") && field.hasPrefix(structure))
                        XCTAssertTrue(isKnown, "\(place.path): \(field)")
                    } catch {
                        XCTFail("\(place.path): \(error)")
                    }
                }
            }
            XCTAssertTrue(try machine.controller.save() == state, "BLOCKIO_SEED=\(Seed.text)")
        }
        XCTAssertGreaterThan(accepted, 100)
        XCTAssertGreaterThan(refused, 100)
    }

    func testTruncatedAtEveryLength() throws {
        try forEachMoment { machine, state in
            for length in state.indices {
                XCTAssertThrowsError(try machine.controller.load(Array(state[..<length]))) {
                    guard case IDEError.damagedState = $0 else {
                        return XCTFail("\(length): \($0)")
                    }
                }
            }
            XCTAssertTrue(try machine.controller.save() == state, "changed")
        }
    }
}
