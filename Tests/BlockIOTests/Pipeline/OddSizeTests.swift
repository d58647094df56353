import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// Images whose last block is not whole.
final class OddSizeTests: PipelineTestCase {
    private static let whole = 16 << 10
    private static let setup = Bench.Setup(
        size: whole + 3 * 512, alignment: HostAlignment(memory: 4096, offset: 4096))

    private static func isDirectFile(_ configuration: Configuration) -> Bool {
        !configuration.target.isBlockDevice && configuration.caching == .direct
    }

    func testWritesBehindTheLastWholeBlockDoNotMakeTheFileLonger() throws {
        try forEachBench(
            Self.setup, guises: Bench.Guise.allCases, where: Self.isDirectFile
        ) { bench in
            let size = Self.setup.size
            // Within the rest, all of it, and across the border.
            for place in [size - 512, size - 700, Self.whole, Self.whole - 100, 4096, 0] {
                for durability in [WriteDurability.volatile, .forceUnitAccess] {
                    let bytes = bench.newBytes(at: place, size - place)
                    XCTAssertEqual(
                        try bench.queue.writeAndWait(
                            from: .init(bytes), at: UInt64(place), durability: durability),
                        size - place)
                    try self.assertSize(bench)
                    try bench.assertMedium("after a write at \(place)")
                }
            }
        }
    }

    func testReadsReachTheVeryEnd() throws {
        try forEachBench(
            Self.setup, guises: Bench.Guise.allCases, where: Self.isDirectFile
        ) { bench in
            let size = Self.setup.size
            for place in [size - 1, size - 512, Self.whole, Self.whole - 100, 0] {
                let list = bench.list([size - place - (size - place) / 2, (size - place) / 2])
                XCTAssertEqual(
                    try bench.queue.readvAndWait(list.vectors, at: UInt64(place)), size - place)
                XCTAssertTrue(list.holds(bench.expected.slice(place, size - place)))
                XCTAssertTrue(list.guardsAreIntact)
            }
        }
    }

    func testZeroesAndDiscardsKeepTheSize() throws {
        try forEachBench(Self.setup, where: Self.isDirectFile) { bench in
            let size = Self.setup.size
            memset(bench.expected.slice(size - 1000, 1000).baseAddress!, 0, 1000)
            try bench.queue.writeZeroesAndWait(at: UInt64(size - 1000), length: 1000)
            try bench.assertMedium()
            bench.faults.add(.init(.error(EOPNOTSUPP), operations: [.writeZeroes]))
            memset(bench.expected.slice(size - 3000, 3000).baseAddress!, 0, 3000)
            try bench.queue.writeZeroesAndWait(at: UInt64(size - 3000), length: 3000)
            try bench.assertMedium("zeroes by buffers")
            try bench.queue.discardAndWait(at: 0, length: UInt64(size))
            try self.assertSize(bench)
        }
    }

    /// Elements without bytes, with an address or without one, before and between those that end up
    /// behind the last whole block: more of them than a single list takes.
    func testEmptyElementsBehindTheLastWholeBlock() throws {
        try forEachBench(
            Self.setup, guises: Bench.Guise.allCases, where: Self.isDirectFile
        ) { bench in
            for place in [Self.whole, Self.whole + 512, Self.whole - 100] {
                for count in [1, 1100] {
                    for hasAddress in [true, false] {
                        let bytes = bench.newBytes(at: place, Self.setup.size - place)
                        let half = bytes.count / 2
                        let empty = iovec(
                            iov_base: hasAddress ? bytes.baseAddress : nil, iov_len: 0)
                        let many = [iovec](repeating: empty, count: count)
                        let start = iovec(iov_base: bytes.baseAddress, iov_len: half)
                        let rest = iovec(
                            iov_base: bytes.baseAddress! + half, iov_len: bytes.count - half)
                        let list = many + [start] + many + [rest] + many
                        let moved = try list.withUnsafeBufferPointer {
                            try bench.queue.writevAndWait($0, at: UInt64(place))
                        }
                        XCTAssertEqual(moved, bytes.count)
                        try self.assertSize(bench)
                        try bench.assertMedium("after \(count) empty elements at \(place)")
                    }
                }
            }
        }
    }

    /// The neighbours in the last, partial block are kept, also by writes at the same time.
    func testConcurrentWritesToTheLastBlock() throws {
        try forEachBench(
            Self.setup, guises: Bench.Guise.allCases, where: Self.isDirectFile
        ) { bench in
            for round in 0..<10 {
                bench.queue.batch {
                    for sector in 0..<4 {
                        let place = Self.whole - 512 + sector * 512
                        bench.queue.write(
                            from: .init(bench.newBytes(at: place, 512)), at: UInt64(place))
                    }
                }
                XCTAssertTrue(try bench.finish().allSatisfy(\.isSuccess))
                try bench.assertMedium("in round \(round)")
            }
            try self.assertSize(bench)
        }
    }

    private func assertSize(_ bench: Bench, line: UInt = #line) throws {
        var status = stat()
        XCTAssertEqual(stat(bench.target.path, &status), 0, line: line)
        XCTAssertEqual(Int(status.st_size), Self.setup.size, "size of the file", line: line)
        XCTAssertEqual(Int(bench.image.size), Self.setup.size, "size of the image", line: line)
    }
}
