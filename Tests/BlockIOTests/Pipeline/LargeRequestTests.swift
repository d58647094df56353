import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// Requests that need more than one kernel request, and their one completion.
final class LargeRequestTests: PipelineTestCase {
    private static let pages = HostAlignment(memory: 4096, offset: 4096)

    func testAListOfAsManyMisalignedElementsAsTheKernelTakes() throws {
        try checkList([Int](repeating: 7, count: 1024), requests: 3)
        try checkList((0..<1024).map { 1 + $0 % 50 }, requests: 3)
    }

    func testAListOfMoreElementsThanTheKernelTakes() throws {
        // Misaligned elements share a bounce buffer; others go 1024 at a time.
        try checkList([Int](repeating: 7, count: 5000), requests: 3)
        try forEachBench(
            Bench.Setup(size: 2 << 20, alignment: HostAlignment(memory: 512, offset: 512)),
            guises: Bench.Guise.allCases
        ) { bench in
            let list = bench.list([Int](repeating: 512, count: 3000))
            list.gather(from: bench.newBytes(at: 512, list.total))
            bench.queue.writev(list.vectors, at: 512)
            XCTAssertEqual(try bench.finish().map(\.transferred), [UInt64(list.total)])
            try bench.assertMedium()
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 3)
            XCTAssertEqual(bench.queue.statistics.splits, 2)
            XCTAssertEqual(bench.queue.statistics.bouncedBytes, 0)
        }
    }

    /// More than 2 GiB less a page in one request. zram keeps zeroes without memory.
    func testMoreBytesThanTheKernelTakesAtOnce() throws {
        let device = try orSkip(ZramDevice(size: 3 << 30))
        defer { device.close() }
        let zeroes = AlignedBuffer(count: 1 << 20)
        memset(zeroes.bytes.baseAddress!, 0, zeroes.count)
        let mark = AlignedBuffer(count: 4096)
        let list = [iovec](
            repeating: iovec(iov_base: zeroes.bytes.baseAddress, iov_len: zeroes.count), count: 2200
        )
        let total = list.count << 20
        for engine in EngineKind.allCases {
            let image = try BlockImage.open(
                device.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            let queue = try BlockQueue(image)
            defer { queue.close() }
            // Of the last block that is to be overwritten.
            mark.fill(1)
            try queue.writeAndWait(from: .init(mark.bytes), at: UInt64(total))
            try list.withUnsafeBufferPointer { list in
                XCTAssertEqual(try queue.writevAndWait(list, at: 4096), total, "\(engine)")
                XCTAssertEqual(try queue.readvAndWait(list, at: 4096), total, "\(engine)")
            }
            try queue.readAndWait(into: mark.bytes, at: UInt64(total))
            XCTAssertTrue(mark.bytes.allSatisfy { $0 == 0 }, "\(engine)")
        }
    }

    /// A limit below a block means a block.
    func testASmallBounceLimitTakesOneBlockAtATime() throws {
        for (alignment, block) in [(Self.pages, 4096), (.init(memory: 512, offset: 512), 512)] {
            try forEachBench(
                Bench.Setup(size: 512 << 10, alignment: alignment, bounceLimit: 512),
                guises: Bench.Guise.allCases
            ) { bench in
                let place = 4096 + 100
                let list = bench.list([1, 100_000, 99, 100_000, 313])
                list.gather(from: bench.newBytes(at: place, list.total))
                bench.queue.writev(list.vectors, at: UInt64(place), userData: 9)
                let completions = try bench.finish()
                XCTAssertEqual(completions.map(\.userData), [9])
                XCTAssertEqual(completions.map(\.transferred), [UInt64(list.total)])
                try bench.assertMedium()
                let blocks = (place + list.total + block - 1) / block - place / block
                XCTAssertEqual(bench.queue.statistics.pieces, UInt64(blocks))
                XCTAssertEqual(bench.queue.statistics.splits, UInt64(blocks - 1))
                XCTAssertEqual(bench.queue.statistics.readModifyWrites, 2)

                let back = bench.list([100_000, 3, 100_410])
                bench.queue.readv(back.vectors, at: UInt64(place))
                XCTAssertEqual(try bench.finish().map(\.transferred), [UInt64(list.total)])
                XCTAssertTrue(back.holds(bench.expected.slice(place, list.total)))
                XCTAssertTrue(back.guardsAreIntact)
            }
        }
    }

    /// Writes and reads a list of odd elements in the middle of blocks.
    private func checkList(_ lengths: [Int], requests: UInt64, line: UInt = #line) throws {
        let total = lengths.reduce(0, +)
        try forEachBench(
            Bench.Setup(size: 256 << 10, alignment: Self.pages), guises: Bench.Guise.allCases
        ) { bench in
            let list = ScatterList(pieces: lengths.count, bytes: total, memoryAlignment: 1)
            list.layOut(lengths, using: &bench.random)
            list.gather(from: bench.newBytes(at: 5001, total))
            try bench.queue.writevAndWait(list.vectors, at: 5001)
            try bench.assertMedium(line: line)
            XCTAssertEqual(bench.queue.statistics.kernelRequests, requests, line: line)
            list.layOut(lengths, using: &bench.random)
            try bench.queue.readvAndWait(list.vectors, at: 5001)
            XCTAssertTrue(list.holds(bench.expected.slice(5001, total)), line: line)
            XCTAssertTrue(list.guardsAreIntact, line: line)
            XCTAssertEqual(bench.queue.statistics.kernelRequests, requests + 1, line: line)
        }
    }
}
