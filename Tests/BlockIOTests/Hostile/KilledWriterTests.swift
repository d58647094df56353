import BlockIO
import XCTest
@testable import TestSupport

/// A process that is killed while it writes loses nothing of what has completed, and tears nothing.
///
/// The kernel outlives it, so that holds without a flush too, and for each sector of 512 bytes even
/// where the device has larger ones and the library has to write the neighbours again.
final class KilledWriterTests: HostileTestCase {
    private static let size = 256 << 10
    private static let kills = 12

    func testOnALoopDevice() throws { try kill(.loop512) }

    func testOnALoopDeviceWithLargeSectors() throws { try kill(.loop4096) }

    func testOnAFile() throws { try kill(.ext4File) }

    func testInMemory() throws { try kill(.tmpfsFile) }

    /// Kills writers, one after the other, on each engine.
    private func kill(_ kind: StorageTarget.Kind) throws {
        for engine in EngineKind.allCases {
            let target = try orSkip(StorageTarget.make(kind, size: Self.size))
            defer { target.close() }
            var random = SplitMix64(seed: Seed.value)
            var newest = [UInt64](repeating: 0, count: Self.size / StampedSectors.size)
            var acknowledged = 0
            for run in 1...Self.kills {
                let first = UInt64(run) << 32
                let writer = try child(
                    "write", [target.pathForChildren, "\(engine)", "\(first)"])
                try writer.expect("open")
                var writes = try note(writer, atMost: random.number(0...200), in: &newest)
                usleep(UInt32(random.number(0...2000)))
                writer.kill()
                writes += try note(writer, atMost: .max, in: &newest)
                acknowledged += writes
                try waitUntilFree(target)
                try check(target, &newest, last: first + 1 << 32, "\(kind), \(engine), \(run)")
            }
            XCTAssertGreaterThan(acknowledged, Self.kills, "\(kind), \(engine)")
        }
    }

    /// Takes what the writer says of so many writes, or up to its end; returns their number.
    private func note(
        _ writer: RoleChild, atMost limit: Int, in newest: inout [UInt64]
    ) throws -> Int {
        var writes = 0
        while writes < limit, let line = try writer.line() {
            let numbers = line.split(separator: " ").compactMap { UInt64($0) }
            guard numbers.count == 3 else { throw FixtureError.failed("the writer: \(line)") }
            for sector in Int(numbers[0])..<Int(numbers[0] + numbers[1]) {
                newest[sector] = max(newest[sector], numbers[2])
            }
            writes += 1
        }
        return writes
    }

    /// A ring of a dead process is taken apart in the background.
    private func waitUntilFree(_ target: StorageTarget) throws {
        try eventually("nobody has \(target.path) open") {
            (try? BlockImage.open(target.path, OpenOptions(access: .readWrite))) != nil
        }
    }

    /// What is on the medium is at least as new as what was acknowledged; it is noted as `newest`.
    private func check(
        _ target: StorageTarget, _ newest: inout [UInt64], last: UInt64, _ what: String
    ) throws {
        let content = try PlainFile(target.path, direct: target.kind != .tmpfsFile)
            .contents(at: 0, target.size)
        for sector in newest.indices {
            let bytes = content.slice(sector * StampedSectors.size, StampedSectors.size)
            guard let found = StampedSectors.sequence(of: bytes, sector: sector) else {
                XCTFail("\(what): sector \(sector) is torn")
                continue
            }
            XCTAssertGreaterThanOrEqual(
                found, newest[sector], "\(what): sector \(sector) has lost a write")
            XCTAssertLessThan(found, last, "\(what): sector \(sector)")
            newest[sector] = found
        }
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        let engine = try XCTUnwrap(EngineKind(rawValue: port.arguments[1]))
        let image = try BlockImage.open(
            port.arguments[0], OpenOptions(access: .readWrite, engine: .forced(engine)))
        let queue = try BlockQueue(image)
        port.say("open")
        var writer = StampingWriter(
            queue, port, firstSequence: try XCTUnwrap(UInt64(port.arguments[2])))
        try writer.run()
    }
}
