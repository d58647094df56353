import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// An error of one of an image's files is an error of the request, once, with the request's range.
final class FormatErrorTests: FormatTestCase {
    private let chunk = UInt64(Stripes.chunk)

    /// Chunks 0 and 2 are in the first file, 1 and 3 in the second.
    func testAnErrorOfOneFileIsThatOfTheRequest() throws {
        try forEachBench { bench in
            let buffer = AlignedBuffer(count: 3 * Stripes.chunk)
            try bench.assertHolds(bench.content, "before")
            for (range, start) in [(bench.firstData, chunk), (bench.secondData, 0)] {
                let rule = bench.faults.add(
                    .init(.error(EIO), operations: [.read], range: range, count: 1))
                let failed = try bench.complete { $0.read(into: buffer.bytes, at: start) }
                bench.faults.remove(rule)
                XCTAssertEqual(failed.failure, .system)
                XCTAssertEqual(failed.errno, EIO)
                XCTAssertThrowsError(try failed.get(on: bench.image)) { error in
                    let range = (error as? BlockError)?.range
                    XCTAssertEqual(range, start..<start + 3 * chunk)
                }
            }
            XCTAssertEqual(bench.queue.statistics.reads.errors, 2)
            XCTAssertEqual(bench.queue.statistics.reads.operations, 1)
            try bench.assertHolds(bench.content, "after")
        }
    }

    /// The bytes before the first that were not moved count as moved, and no others.
    func testBytesBeforeTheErrorAreMoved() throws {
        try forEachBench { bench in
            try bench.assertHolds(bench.content)
            let buffer = AlignedBuffer(count: 4 * Stripes.chunk)
            let rule = bench.faults.add(.init(.error(EIO), range: bench.secondData))
            let failed = try bench.complete { $0.read(into: buffer.bytes, at: 0) }
            bench.faults.remove(rule)
            XCTAssertEqual(failed.failure, .system)
            XCTAssertEqual(failed.transferred, chunk)
            XCTAssertTrue(
                sameBytes(
                    buffer.slice(0, Stripes.chunk), bench.content.slice(0, Stripes.chunk)))
            XCTAssertEqual(bench.queue.statistics.reads.bytes, UInt64(bench.content.count) + chunk)
        }
    }

    func testAnErrorOfTheMapIsThatOfTheRequest() throws {
        try forEachBench { bench in
            let rule = bench.faults.add(.init(.error(EIO), range: bench.map))
            let buffer = AlignedBuffer(count: 512)
            let failed = try bench.complete { $0.write(from: .init(buffer.bytes), at: 0) }
            XCTAssertEqual(failed.failure, .system)
            XCTAssertEqual(failed.errno, EIO)
            XCTAssertEqual(failed.transferred, 0)
            XCTAssertEqual(try bench.format.abandoned, 1)
            bench.faults.remove(rule)
            try bench.assertHolds(bench.content)
        }
    }

    /// A failing flush of either file is one of the image, then and later.
    func testAFlushFailsWhenThatOfOneFileDoes() throws {
        for failing in 0..<2 {
            try forEachBench { bench in
                let before = bench.queue.statistics.kernelRequests
                XCTAssertNil(try bench.complete { $0.flush() }.failure)
                XCTAssertEqual(bench.queue.statistics.kernelRequests - before, 2)
                bench.faults.add(
                    .init(.error(EIO), operations: [.flush], after: failing, count: 1))
                for _ in 0..<2 {
                    let failed = try bench.complete { $0.flush() }
                    XCTAssertEqual(failed.failure, .system)
                    XCTAssertEqual(failed.errno, EIO)
                    XCTAssertNil(try? failed.get(on: bench.image))
                }
                XCTAssertEqual(bench.faults.injectedCount, 1)
                XCTAssertEqual(bench.queue.statistics.flushes.errors, 2)
                XCTAssertEqual(bench.queue.statistics.flushes.operations, 1)
            }
        }
    }
}
