import BlockIO
import BlockIOTesting
import CTestSupport
import Glibc
import XCTest
@testable import TestSupport

/// Discards and zeroes: what becomes of the bytes, on every storage, at every edge.
final class ZeroingTests: PipelineTestCase {
    private static let setup = Bench.Setup(size: 256 << 10)
    /// Whole blocks, sectors, bytes inside a sector, and bytes across several.
    private static let ranges = [
        4096..<8192, 8192..<65536, 65536..<66048, 70_000..<70_100, 73_727..<90_001, 0..<1,
    ]

    func testZeroesAreExact() throws {
        try forEachBench(Self.setup, where: { _ in true }) { bench in
            for range in Self.ranges { try self.zero(range, bench) }
            try self.zero(bench.expected.count - 700..<bench.expected.count, bench)
            let statistics = bench.queue.statistics.writeZeroes
            XCTAssertEqual([statistics.operations, statistics.errors], [7, 0])
        }
    }

    func testDiscardsSayWhatAReadReturns() throws {
        try forEachBench(Self.setup, where: { _ in true }) { bench in
            for range in Self.ranges {
                let (start, length) = (UInt64(range.lowerBound), UInt64(range.count))
                let effect = try bench.queue.discardAndWait(at: start, length: length)
                let sector = bench.configuration.target == .loop512 ? 512 : 4096
                let first = (range.lowerBound + sector - 1) / sector * sector
                let end = range.upperBound / sector * sector
                if bench.image.kind == .file {
                    XCTAssertEqual(effect, .zeroes, "\(range)")
                    memset(bench.expected.bytes.baseAddress! + range.lowerBound, 0, range.count)
                } else if first < end {
                    XCTAssertEqual(effect, .unknown, "\(range)")
                    try bench.adoptMedium(first..<end)
                } else {
                    XCTAssertEqual(effect, .oldData, "\(range)")
                }
                try bench.assertMedium("after \(range)")
            }
        }
    }

    /// The kernel or the file system lacks one way after the other.
    func testZeroesFallBackUntilTheyAreWritten() throws {
        for missing in [EOPNOTSUPP, ENOSYS, ENOTTY] {
            for count in 1...2 {
                try forEachBench(Self.setup) { bench in
                    bench.faults.add(
                        .init(.error(missing), operations: [.writeZeroes], count: count))
                    try self.zero(4000..<50_000, bench)
                    XCTAssertEqual(bench.queue.statistics.fallbacks, UInt64(count))
                    XCTAssertEqual(bench.queue.statistics.writeZeroes.operations, 1)
                    XCTAssertEqual(bench.queue.statistics.writes.operations, 0)
                }
            }
        }
    }

    /// With the option, the storage is given back where the host can; the zeroes are exact in any case.
    func testZeroesThatGiveTheStorageBack() throws {
        try forEachBench(Self.setup, where: { _ in true }) { bench in
            for range in Self.ranges { try self.zero(range, bench, .unmap) }
            if bench.configuration.target == .tmpfsFile && bench.configuration.layout == .raw {
                var status = stat()
                XCTAssertEqual(stat(bench.target.path, &status), 0)
                // 4096..<65536 is 15 pages.
                XCTAssertLessThanOrEqual(Int(status.st_blocks) * 512, (256 - 60) << 10)
            }
        }
        for count in 1...2 {
            try forEachBench(Self.setup) { bench in
                bench.faults.add(
                    .init(.error(EOPNOTSUPP), operations: [.writeZeroes], count: count))
                try self.zero(4000..<50_000, bench, .unmap)
                // The second way may not be there either, as on a tmpfs.
                XCTAssertGreaterThanOrEqual(bench.queue.statistics.fallbacks, UInt64(count))
            }
        }
    }

    /// With the other option, no buffers are written: nothing changes, and the request says why.
    func testZeroesThatAreNotWrittenAsBuffers() throws {
        try forEachBench(Self.setup) { bench in
            try self.zero(4096..<8192, bench, .noFallback)
            bench.faults.add(.init(.error(EOPNOTSUPP), operations: [.writeZeroes]))
            for options: ZeroOptions in [.noFallback, [.noFallback, .unmap]] {
                bench.queue.writeZeroes(at: 8192, length: 8192, options: options)
                let completion = try bench.finish()[0]
                XCTAssertEqual(completion.failure, .unsupported)
                XCTAssertEqual(completion.transferred, 0)
                XCTAssertThrowsError(try completion.get(on: bench.image)) {
                    XCTAssertTrue("\($0)".contains("buffers"), "\($0)")
                }
                try bench.assertMedium("after a request that was refused")
            }
        }
    }

    /// They are followed by a flush, unless buffers that are stable at once have to be written.
    func testDurableZeroes() throws {
        try forEachBench(Self.setup, where: { _ in true }) { bench in
            for options: ZeroOptions in [.forceUnitAccess, [.forceUnitAccess, .unmap]] {
                for range in Self.ranges { try self.zero(range, bench, options) }
            }
            let whole = 8192..<16384
            let flushes = FaultInjector.Rule(.error(EIO), operations: [.flush], count: 1)
            bench.faults.add(flushes)
            try self.zero(whole, bench)
            bench.queue.writeZeroes(
                at: UInt64(whole.lowerBound), length: UInt64(whole.count),
                options: .forceUnitAccess)
            let completion = try bench.finish()[0]
            XCTAssertEqual(completion.failure, .system)
            XCTAssertEqual(completion.errno, EIO)
            // As after any flush that has failed.
            XCTAssertThrowsError(try bench.queue.flushAndWait())
        }
        for count in 1...2 {
            try forEachBench(Self.setup) { bench in
                bench.faults.add(
                    .init(.error(EOPNOTSUPP), operations: [.writeZeroes], count: count))
                try self.zero(4000..<50_000, bench, .forceUnitAccess)
                bench.faults.add(.init(.error(EIO), operations: [.flush], count: 1))
                XCTAssertThrowsError(
                    try bench.queue.writeZeroesAndWait(
                        at: 0, length: 512, options: .forceUnitAccess))
            }
        }
    }

    /// One that waits for a flush, or for the flush before that.
    func testDurableZeroesAreCancelled() throws {
        try forEachBench(Self.setup) { bench in
            for isBehindFlush in [false, true] {
                let count = bench.faults.injectedCount
                bench.faults.add(.init(.hold, operations: [.flush], count: 1))
                if isBehindFlush { bench.queue.flush() }
                let id = bench.queue.writeZeroes(
                    at: 4096, length: 8192, options: .forceUnitAccess)
                try bench.waitForFaults(count + 1)
                bench.queue.cancel(id)
                bench.faults.release()
                let failures = try bench.finish().filter { $0.operation == .writeZeroes }
                    .map(\.failure)
                XCTAssertEqual(failures, [.cancelled])
            }
        }
    }

    func testZeroesAreWrittenAroundBlocksAndInPieces() throws {
        let isWanted: (Configuration) -> Bool = { $0.caching == .direct }
        var setup = Self.setup
        setup.bounceLimit = 512
        try forEachBench(setup, where: isWanted) { bench in
            bench.faults.add(.init(.error(EOPNOTSUPP), operations: [.writeZeroes]))
            for range in Self.ranges + [100..<40_000] { try self.zero(range, bench) }
        }
    }

    /// A list of blocks of zeroes for the largest file would be larger than memory.
    func testZeroesForTheLargestFileNeedNoList() throws {
        let mount = try orSkip(DetachedMount.tmpfs(size: 16 << 20))
        defer { mount.close() }
        let path = mount.path("image")
        let size = UInt64(Int.max) & ~4095
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), "open \(path)"))
        try SystemCall.check(SystemCall.result(ftruncate(file.raw, Int(size))), "ftruncate")
        for engine in EngineKind.allCases {
            let faults = FaultInjector()
            faults.add(.init(.error(EOPNOTSUPP), operations: [.writeZeroes]))
            let image = try BlockImage.open(
                path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            let queue = try BlockQueue(image, QueueOptions().decorated(by: [.faults(faults)]))
            defer { queue.close() }
            var ends: [BlockCompletion] = []
            queue.cancel(queue.writeZeroes(at: 0, length: size))
            try queue.finish { ends.append($0) }
            // The file system may have been full before.
            XCTAssertTrue(
                ends.first?.failure == .cancelled || ends.first?.errno == ENOSPC, "\(ends)")
            try queue.discardAndWait(at: 0, length: size)

            // The last blocks, in more than one element and with parts of a sector.
            let found = AlignedBuffer(count: 4 << 20)
            found.fill(1)
            let start = size - UInt64(found.count)
            try queue.writeAndWait(from: .init(found.bytes), at: start)
            try queue.writeZeroesAndWait(at: start + 100, length: UInt64(found.count) - 200)
            let expected = AlignedBuffer(count: found.count)
            expected.fill(1)
            memset(expected.bytes.baseAddress! + 100, 0, found.count - 200)
            try queue.readAndWait(into: found.bytes, at: start)
            XCTAssertEqual(
                memcmp(found.bytes.baseAddress!, expected.bytes.baseAddress!, found.count), 0)
            try queue.discardAndWait(at: 0, length: size)
        }
    }

    func testADiscardThatIsUnknownDoesNothingAndIsNoError() throws {
        try forEachBench(Self.setup, where: { $0.caching == .direct }) { bench in
            bench.faults.add(.init(.error(EOPNOTSUPP), operations: [.discard]))
            XCTAssertEqual(try bench.queue.discardAndWait(at: 0, length: 65536), .oldData)
            try bench.assertMedium()
            XCTAssertEqual(bench.queue.statistics.fallbacks, 1)
            XCTAssertEqual(bench.queue.statistics.discards.operations, 1)
        }
    }

    /// Helper threads do them, beside the ring whose descriptor is watched.
    func testTheirEndWakesAnEventLoop() throws {
        try forEachBench(Self.setup) { bench in
            let events = try EventSet(bench.queue.descriptor)
            for round in 0..<10 {
                bench.queue.writeZeroes(at: UInt64(round * 512), length: 512)
                bench.queue.discard(at: UInt64(round * 512), length: 512)
                while bench.queue.outstanding > 0 {
                    guard events.wait() != nil else {
                        throw Stuck(outstanding: bench.queue.outstanding)
                    }
                    bench.queue.poll()
                }
            }
        }
    }

    func testOtherErrorsAreErrors() throws {
        try forEachBench(Self.setup, where: { $0.caching == .direct }) { bench in
            bench.faults.add(.init(.error(EIO)))
            bench.queue.discard(at: 0, length: 65536)
            bench.queue.writeZeroes(at: 0, length: 65536)
            XCTAssertEqual(try bench.finish().map(\.errno), [EIO, EIO])
            try bench.assertMedium()
            let statistics = bench.queue.statistics
            XCTAssertEqual([statistics.discards.errors, statistics.writeZeroes.errors], [1, 1])
        }
    }

    func testNothingAndTooMuch() throws {
        try forEachBench(Self.setup) { bench in
            let size = UInt64(bench.expected.count)
            for (place, length, failure) in [
                (size, 0, nil), (0, 0, nil), (size, 1, BlockError.Code.outOfRange),
                (size - 1, 2, .outOfRange), (.max, 1, .outOfRange), (1, .max, .outOfRange),
            ] as [(UInt64, UInt64, BlockError.Code?)] {
                bench.queue.discard(at: place, length: length)
                bench.queue.writeZeroes(at: place, length: length)
                XCTAssertEqual(try bench.finish().map(\.failure), [failure, failure])
            }
            try bench.assertMedium()
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 0)
        }
        try forEachBench(Bench.Setup(access: .readOnly)) { bench in
            bench.queue.discard(at: 0, length: 512)
            bench.queue.writeZeroes(at: 0, length: 512)
            bench.queue.resize(to: 512)
            XCTAssertEqual(
                try bench.finish().map(\.failure), [.readOnly, .readOnly, .readOnly])
        }
    }

    private func zero(
        _ range: Range<Int>, _ bench: Bench, _ options: ZeroOptions = [], line: UInt = #line
    ) throws {
        memset(bench.expected.bytes.baseAddress! + range.lowerBound, 0, range.count)
        bench.queue.writeZeroes(
            at: UInt64(range.lowerBound), length: UInt64(range.count), options: options)
        let completion = try bench.finish()[0]
        XCTAssertNil(completion.failure, "\(range)", line: line)
        XCTAssertEqual(completion.effect, .zeroes, "\(range)", line: line)
        XCTAssertEqual(completion.transferred, UInt64(range.count), "\(range)", line: line)
        try bench.assertMedium("after \(range)", line: line)
    }
}

extension Bench {
    /// From now on the medium must hold in `range` what it does now.
    func adoptMedium(_ range: Range<Int>) throws {
        let plain = try PlainFile(target.path, direct: false)
        try plain.read(expected.slice(range.lowerBound, range.count), at: range.lowerBound)
    }
}
