import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// Writes of parts of blocks: neighbours in the block are never lost, whatever fails.
final class ReadModifyWriteTests: PipelineTestCase {
    private static let setup = Bench.Setup(alignment: HostAlignment(memory: 4096, offset: 4096))

    func testConcurrentWritesToOneBlockDoNotLoseEachOther() throws {
        try forEachBench(
            Self.setup, guises: Bench.Guise.allCases, where: Self.isDirectFile
        ) { bench in
            bench.faults.add(.init(.reorder, probability: 0.3))
            for round in 0..<40 {
                bench.queue.batch {
                    for sector in 0..<8 {
                        // Every other round a whole block in between, which is direct.
                        let isBlock = round % 2 == 1 && sector == 4
                        let (place, length) = isBlock ? (0, 4096) : (sector * 512, 512)
                        let bytes = bench.newBytes(at: 4096 + place, length)
                        let copy = bench.copy(of: bytes)
                        bench.queue.write(from: .init(copy), at: UInt64(4096 + place))
                    }
                }
                XCTAssertTrue(try bench.finish().allSatisfy(\.isSuccess))
                try bench.assertMedium("in round \(round)")
                bench.copies.removeAll()
            }
            XCTAssertEqual(bench.queue.statistics.readModifyWrites, 40 * 8 - 20)
        }
    }

    private static func isDirectFile(_ configuration: Configuration) -> Bool {
        !configuration.target.isBlockDevice && configuration.caching == .direct
    }

    /// The same where one call waits for all that is outstanding, which begins only while it waits.
    func testWaitsForAllConcurrentWritesToOneBlock() throws {
        try forEachBench(
            Self.setup, guises: Bench.Guise.allCases, where: Self.isDirectFile
        ) { bench in
            for round in 0..<40 {
                for sector in 0..<8 {
                    let bytes = bench.copy(of: bench.newBytes(at: 4096 + sector * 512, 512))
                    bench.queue.write(
                        from: .init(bytes), at: UInt64(4096 + sector * 512),
                        durability: sector == 3 ? .forceUnitAccess : .volatile)
                }
                if round % 2 == 0 { bench.queue.flush() }
                if round % 4 > 1 { usleep(300) }
                try Rescue.watching(outstanding: bench.queue.outstanding) {
                    bench.queue.drain { XCTAssertTrue($0.isSuccess, "\($0)") }
                }
                try bench.assertMedium("in round \(round)")
                bench.copies.removeAll()
            }
        }
    }

    func testTheSecondWriteToABlockWaitsForTheFirst() throws {
        try forEachBench(Self.setup) { bench in
            let hold = bench.faults.add(
                .init(.hold, operations: [.write], range: 0..<4096, count: 1))
            bench.queue.write(from: .init(bench.newBytes(at: 0, 512)), at: 0, userData: 1)
            bench.queue.write(from: .init(bench.newBytes(at: 512, 512)), at: 512, userData: 2)
            bench.queue.write(from: .init(bench.newBytes(at: 4096, 512)), at: 4096, userData: 3)
            XCTAssertEqual(bench.next().map(\.userData), [3], "another block")
            XCTAssertTrue(bench.isQuiet())
            bench.faults.release(hold)
            XCTAssertEqual(try bench.finish().map(\.userData), [1, 2])
            try bench.assertMedium()
        }
    }

    func testAFailedReadFailsTheWriteAndChangesNothing() throws {
        // The first block of the write, and the last; and both in one.
        for (place, length) in [(4096 + 300, 8192), (4096, 4196), (4096 + 300, 100)] {
            try forEachBench(Self.setup) { bench in
                let bad = UInt64(place + length - 1)
                let range = length == 8192 ? 4096..<4097 : bad..<bad + 1
                bench.faults.add(.init(.error(EIO), operations: [.read], range: range))
                let buffer = AlignedBuffer(count: length)
                bench.queue.write(from: .init(buffer.bytes), at: UInt64(place))
                let completions = try bench.finish()
                XCTAssertEqual(completions.map(\.failure), [.system])
                XCTAssertEqual(completions.map(\.errno), [EIO])
                XCTAssertEqual(completions.map(\.transferred), [0])
                try bench.assertMedium()
                XCTAssertEqual(bench.faults.injectedCount, 1)
            }
        }
    }

    func testAFailedWriteLetsTheNextOneToItsBlockGoOn() throws {
        try forEachBench(Self.setup) { bench in
            bench.faults.add(.init(.error(EIO), operations: [.write], count: 1))
            let lost = AlignedBuffer(count: 512)
            bench.queue.write(from: .init(lost.bytes), at: 0, userData: 1)
            bench.queue.write(from: .init(bench.newBytes(at: 512, 512)), at: 512, userData: 2)
            let completions = try bench.finish()
            XCTAssertEqual(completions.map(\.userData), [1, 2])
            XCTAssertEqual(completions.map(\.isSuccess), [false, true])
            try bench.assertMedium()
        }
    }

    func testShortReadsOfABlockAreRepeated() throws {
        try forEachBench(Self.setup) { bench in
            bench.faults.add(.init(.short(513), operations: [.read], count: 3))
            try bench.queue.writeAndWait(from: .init(bench.newBytes(at: 700, 9000)), at: 700)
            try bench.assertMedium()
            XCTAssertEqual(bench.queue.statistics.shortTransfers, 3)
        }
    }
}

extension Bench {
    /// A copy that lasts until ``copies`` is emptied: a later write of a batch changes what is
    /// expected of the same bytes.
    func copy(of bytes: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawBufferPointer {
        let copy = AlignedBuffer(count: bytes.count)
        copy.bytes.copyMemory(from: .init(bytes))
        copies.append(copy)
        return copy.bytes
    }
}
