import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// Which engine submissions a rule of a fault injector befalls.
final class FaultRuleTests: PipelineTestCase {
    func testARuleKeepsToItsOperations() throws {
        for verb in [BlockIO.BlockOperation.read, .write, .flush, .discard, .writeZeroes, .resize] {
            try forEachBench { bench in
                bench.faults.add(.init(.error(EIO), operations: [verb]))
                let results = try self.oneOfEach(bench)
                XCTAssertEqual(results.filter { $0.errno == EIO }.map(\.operation), [verb])
                XCTAssertEqual(results.count, 6)
                XCTAssertEqual(bench.faults.injectedCount, 1)
            }
        }
    }

    func testARuleKeepsToItsRange() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.error(EIO), range: 1000..<1001))
            let buffer = AlignedBuffer(count: 1000)
            let places: [(offset: UInt64, length: Int, fails: Bool)] = [
                (0, 1000, false), (1, 1000, true), (1000, 1, true), (1001, 1000, false),
                (999, 1, false), (999, 2, true),
            ]
            for place in places {
                bench.queue.read(into: buffer.slice(0, place.length), at: place.offset)
                let fails = try bench.finish().first?.errno == EIO
                XCTAssertEqual(fails, place.fails, "\(place)")
            }
        }
    }

    func testARuleLetsSomeByAndEndsAfterItsCount() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.error(EIO), operations: [.read], after: 3, count: 2))
            XCTAssertEqual(self.failures(of: 8, bench), [3, 4])
        }
    }

    func testTheFirstRuleThatMatchesDecidesUntilItIsRemoved() throws {
        try forEachBench { bench in
            let first = bench.faults.add(.init(.error(EIO)))
            bench.faults.add(.init(.error(ENOSPC)))
            let buffer = AlignedBuffer(count: 512)
            bench.queue.read(into: buffer.bytes, at: 0)
            XCTAssertEqual(try bench.finish().map(\.errno), [EIO])
            bench.faults.remove(first)
            bench.queue.read(into: buffer.bytes, at: 0)
            XCTAssertEqual(try bench.finish().map(\.errno), [ENOSPC])
        }
    }

    func testTheSeedDeterminesWhatAProbabilityDoes() throws {
        var patterns: [[Int]] = []
        for seed: UInt64 in [7, 7, 8] {
            try forEachTarget(size: 4096, where: { $0.isFirst }) { configuration, target in
                let image = try configuration.open(target)
                let faults = FaultInjector(seed: seed)
                faults.add(.init(.error(EIO), probability: 0.3))
                let queue = try configuration.queue(
                    on: image, QueueOptions().decorated(by: [.faults(faults)]))
                let buffer = AlignedBuffer(count: 512)
                patterns.append(
                    (0..<200).filter { _ in
                        (try? queue.readAndWait(into: buffer.bytes, at: 0)) == nil
                    })
            }
        }
        XCTAssertEqual(patterns[0], patterns[1])
        XCTAssertNotEqual(patterns[0], patterns[2])
        XCTAssertTrue((30...90).contains(patterns[0].count), "\(patterns[0].count) of 200")
    }

    func testTheMarkOfACancelledOperationDoesNotBefallTheNext() throws {
        try forEachBench(Bench.Setup(depth: 1)) { bench in
            let buffer = AlignedBuffer(count: 1 << 10)
            bench.faults.add(.init(.short(0), operations: [.read], after: 1, count: 1))
            let ids = (0..<2).map {
                bench.queue.read(into: buffer.slice($0 * 512, 512), at: 0, userData: UInt($0))
            }
            bench.queue.cancel(ids[1])
            _ = try bench.finish()
            for _ in 0..<4 {
                bench.queue.read(into: buffer.slice(0, 512), at: 0)
                bench.queue.read(into: buffer.slice(512, 512), at: 0)
                XCTAssertEqual(try bench.finish().map(\.failure), [nil, nil])
            }
        }
    }

    private func failures(of count: Int, _ bench: Bench) -> [Int] {
        let buffer = AlignedBuffer(count: 512)
        return (0..<count).filter { _ in
            (try? bench.queue.readAndWait(into: buffer.bytes, at: 0)) == nil
        }
    }

    private func oneOfEach(_ bench: Bench) throws -> [BlockCompletion] {
        let buffer = AlignedBuffer(count: 512)
        var results: [BlockCompletion] = []
        let queue = bench.queue
        let requests: [() -> RequestID] = [
            { queue.read(into: buffer.bytes, at: 0) },
            { queue.write(from: .init(buffer.bytes), at: 0) },
            { queue.flush() },
            { queue.discard(at: 0, length: 4096) },
            { queue.writeZeroes(at: 0, length: 4096) },
            { queue.resize(to: UInt64(bench.expected.count)) },
        ]
        for request in requests {
            _ = request()
            results += try bench.finish()
        }
        return results
    }
}

extension Configuration {
    /// Whether this is one particular configuration, for what does not depend on any.
    var isFirst: Bool {
        target == .tmpfsFile && engine == .threadPool && caching == .direct && threading == .owned
    }
}
