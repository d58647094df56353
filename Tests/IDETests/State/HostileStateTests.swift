import BlockIO
import IDE
import XCTest

/// docs/ide-rules.md, "State": states that somebody has changed. A state that is refused has changed
/// nothing, not even a line for a moment.
final class HostileStateTests: CDTestCase {
    /// Where a packet command keeps which sectors its buffer holds: behind its length, its position, its
    /// first block and its part of each sector.
    private func placeOfHeldSectors(
        _ state: [UInt8], length: UInt64, position: UInt64, block: UInt32, _ fields: Range<UInt16>
    ) throws -> Int {
        var pattern: [UInt8] = []
        for value in [length, position] {
            withUnsafeBytes(of: value.littleEndian) { pattern += $0 }
        }
        withUnsafeBytes(of: block.littleEndian) { pattern += $0 }
        for value in [fields.lowerBound, fields.upperBound] {
            withUnsafeBytes(of: value.littleEndian) { pattern += $0 }
        }
        let places = state.indices.filter { state[$0...].starts(with: pattern) }
        XCTAssertEqual(places.count, 1)
        return try XCTUnwrap(places.first) + pattern.count
    }

    func testHeldSectorsBehindPosition() throws {
        let m = try cdMachine()
        m.stop()
        m.setTable([(Machine.data, 4704)])
        m.packet(Machine.readCD(7, count: 2, 0xF8), isDMA: true)
        let state = try m.controller.save()
        let place = try placeOfHeldSectors(
            state, length: 4704, position: 0, block: 7, 0..<2352)
        for first: UInt8 in [1, 2] {
            var damaged = state
            damaged[place] = first
            expectRefused(damaged, by: m)
        }
        m.start(toMemory: true)
        m.settle()
        m.expectSuccess()
        let data = m.bytes(at: Machine.data, count: 4704)
        XCTAssertTrue(data[16..<2064].elementsEqual(Self.content(block: 7)), "other memory")
    }

    /// The same without anybody's help: what the buffer held is not there when the command begins again.
    func testReadCDThatIsRepeatedFromALaterSector() throws {
        let m = try cdMachine(.one, CDROMOptions(readErrorPolicy: .stop))
        let size = 40 * 2352
        m.faults.add(.init(.error(EIO), operations: [.read], after: 1, count: 1))
        m.packetDMA(
            Machine.readCD(7, count: 40, 0xF8),
            [(Machine.data, 65536), (Machine.data + 65536, size - 65536)])
        XCTAssertEqual(m.alternateStatus, 0xD0)
        XCTAssertEqual(m.events.count, 1)
        m.controller.resume()
        m.settle()
        XCTAssertEqual(m.bmStatus, 4)
        m.expectSuccess()
        let bytes = m.bytes(at: Machine.data, count: size)
        for sector in 0..<40 {
            XCTAssertTrue(
                bytes[(2352 * sector + 16)...].prefix(2048)
                    .elementsEqual(Self.content(block: 7 + sector)), "sector \(sector)")
        }
    }

    /// The state is refused for what is in it, and the machine is as it was.
    private func expectRefused(
        _ state: [UInt8], by m: Machine, file: StaticString = #filePath, line: UInt = #line
    ) {
        do {
            let before = try m.controller.save()
            _ = m.takeChanges()
            XCTAssertThrowsError(try m.controller.load(state), file: file, line: line) {
                guard case IDEError.damagedState = $0 else {
                    return XCTFail("\($0)", file: file, line: line)
                }
            }
            XCTAssertTrue(try m.controller.save() == before, "changed", file: file, line: line)
            XCTAssertEqual(m.takeChanges(), [], file: file, line: line)
        } catch {
            XCTFail("\(error)", file: file, line: line)
        }
    }
}
