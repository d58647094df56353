import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// Only what offends the host's alignment bounces; its neighbours stay direct in the same request.
final class MixedListTests: PipelineTestCase {
    private static let sectors = HostAlignment(memory: 512, offset: 512)
    private static let pages = HostAlignment(memory: 4096, offset: 4096)

    func testTheMiddleOfThreeBouncesByItsPosition() throws {
        try check(Self.sectors, [300, 4096, 212], direct: 0, bounced: 4608)
    }

    func testNeighboursOfARunStayDirect() throws {
        try check(Self.sectors, [512, 300, 4096, 212, 1024], direct: 1536, bounced: 4608)
        try check(Self.pages, [4096, 300, 3796, 8192], direct: 12288, bounced: 4096)
    }

    func testTwoRunsWithADirectElementBetween() throws {
        try check(Self.pages, [1, 4095, 4096, 4000, 96], direct: 4096, bounced: 8192)
    }

    func testEverythingThatObeysIsDirect() throws {
        try check(Self.pages, [4096, 8192, 4096], direct: 16384, bounced: 0)
        try check(Self.pages, [0, 4096, 0, 0, 4096, 0], direct: 8192, bounced: 0)
    }

    func testAnElementBouncesByItsAddressAlone() throws {
        try forEachBench(Bench.Setup(alignment: Self.pages), guises: Bench.Guise.allCases) {
            bench in
            let memory = AlignedBuffer(count: 6 * 4096)
            let elements = [0, 8192 + 512, 16384].map { iovec(memory.slice($0, 4096)) }
            try elements.withUnsafeBufferPointer { list in
                _ = try bench.queue.readvAndWait(list, at: 4096)
            }
            for (index, place) in [0, 8192 + 512, 16384].enumerated() {
                let wanted = bench.expected.slice((index + 1) * 4096, 4096)
                XCTAssertTrue(sameBytes(memory.slice(place, 4096), wanted))
            }
            try self.assertCounts(bench, requests: 1, direct: 8192, bounced: 4096)
        }
    }

    func testPaddingCountsAsBounced() throws {
        try forEachBench(Bench.Setup(alignment: Self.pages), guises: Bench.Guise.allCases) {
            bench in
            let buffer = AlignedBuffer(count: 100)
            try bench.queue.readAndWait(into: buffer.bytes, at: 4090)
            XCTAssertTrue(sameBytes(buffer.bytes, bench.expected.slice(4090, 100)))
            XCTAssertTrue(buffer.guardsAreIntact)
            try self.assertCounts(bench, requests: 1, direct: 0, bounced: 8192)
            try bench.queue.writeAndWait(from: .init(bench.newBytes(at: 4090, 100)), at: 4090)
            try bench.assertMedium()
            // Two blocks are read, then both are written.
            try self.assertCounts(bench, requests: 4, direct: 0, bounced: 16384)
            XCTAssertEqual(bench.queue.statistics.readModifyWrites, 2)
        }
    }

    func testAWriteInsideOneBlockReadsItOnce() throws {
        try forEachBench(Bench.Setup(alignment: Self.pages), guises: Bench.Guise.allCases) {
            bench in
            try bench.queue.writeAndWait(from: .init(bench.newBytes(at: 4608, 512)), at: 4608)
            try bench.assertMedium()
            try self.assertCounts(bench, requests: 2, direct: 0, bounced: 4096)
            XCTAssertEqual(bench.queue.statistics.readModifyWrites, 1)
        }
    }

    /// Bytes that are nowhere, in a list that has to bounce: it is refused as the kernel refuses
    /// one, and nothing of it is moved.
    func testBytesWithoutAnAddressAreRefused() throws {
        for lengths in [[300, 212, 512], [512, 1, 511], [0, 300, 212]] {
            for missing in 0..<3 where lengths[missing] > 0 {
                try forEachBench(
                    Bench.Setup(alignment: Self.sectors), guises: Bench.Guise.allCases
                ) { bench in
                    let failures = try self.failures(bench, lengths, missing: missing, at: 1024)
                    let isRefused = failures.map { $0 == .system }
                    XCTAssertEqual(isRefused, [true, true, true], "\(lengths), \(missing)")
                    try bench.assertMedium("\(lengths) without \(missing)")
                }
            }
        }
    }

    /// The same in a list that the kernel is given as it is: it may have moved what is before, and
    /// the rest does not take the place of what is missing.
    func testBytesWithoutAnAddressEndAListThatIsDirect() throws {
        for missing in 0..<3 {
            try forEachBench(
                Bench.Setup(alignment: Self.sectors), guises: [.bare, .decorated]
            ) { bench in
                let lengths = [512, 512, 4096]
                let failures = try self.failures(bench, lengths, missing: missing, at: 1024)
                XCTAssertEqual(failures, [.system, .system, .system], "without \(missing)")
                let plain = try PlainFile(bench.target.path, direct: false)
                let place = 1024 + lengths[..<missing].reduce(0, +)
                let length = 6144 - place
                let found = try plain.contents(at: place, length)
                XCTAssertTrue(
                    sameBytes(found.bytes, bench.expected.slice(place, length)),
                    "without \(missing)")
            }
        }
    }

    /// What becomes of two writes and a read of a list of which one element has no address.
    private func failures(
        _ bench: Bench, _ lengths: [Int], missing: Int, at place: UInt64
    ) throws -> [BlockError.Code?] {
        let memory = AlignedBuffer(count: 3 * 4096)
        var elements = (0..<3).map { iovec(memory.slice($0 * 4096, lengths[$0])) }
        elements[missing].iov_base = nil
        return try elements.withUnsafeBufferPointer { list in
            bench.queue.writev(list, at: place)
            var completions = try bench.finish()
            bench.queue.writev(list, at: place, durability: .forceUnitAccess)
            completions += try bench.finish()
            bench.queue.readv(list, at: place)
            completions += try bench.finish()
            XCTAssertEqual(Set(completions.map(\.errno)), [EFAULT])
            return completions.map(\.failure)
        }
    }

    /// Writes and reads the list at a block, as one kernel request each.
    private func check(
        _ alignment: HostAlignment, _ lengths: [Int], direct: UInt64, bounced: UInt64,
        line: UInt = #line
    ) throws {
        try forEachBench(Bench.Setup(alignment: alignment), guises: Bench.Guise.allCases) { bench in
            let list = bench.list(lengths)
            list.gather(from: bench.newBytes(at: 8192, list.total))
            try bench.queue.writevAndWait(list.vectors, at: 8192)
            try bench.assertMedium(line: line)
            try self.assertCounts(bench, requests: 1, direct: direct, bounced: bounced, line)
            list.layOut(lengths, using: &bench.random)
            try bench.queue.readvAndWait(list.vectors, at: 8192)
            XCTAssertTrue(list.holds(bench.expected.slice(8192, list.total)), line: line)
            XCTAssertTrue(list.guardsAreIntact, line: line)
            try self.assertCounts(
                bench, requests: 2, direct: 2 * direct, bounced: 2 * bounced, line)
        }
    }

    private func assertCounts(
        _ bench: Bench, requests: UInt64, direct: UInt64, bounced: UInt64, _ line: UInt = #line
    ) throws {
        let statistics = bench.queue.statistics
        XCTAssertEqual(statistics.kernelRequests, requests, "kernel requests", line: line)
        XCTAssertEqual(statistics.directBytes, direct, "direct bytes", line: line)
        XCTAssertEqual(statistics.bouncedBytes, bounced, "bounced bytes", line: line)
    }
}

extension iovec {
    /// One buffer as an element of a list.
    fileprivate init(_ buffer: UnsafeMutableRawBufferPointer) {
        self.init(iov_base: buffer.baseAddress, iov_len: buffer.count)
    }
}
