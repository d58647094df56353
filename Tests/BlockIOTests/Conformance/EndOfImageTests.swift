import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// The last block, what lies behind it, and arithmetic that runs over.
final class EndOfImageTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let size = 1 << 20

    func testLastBlockIsWrittenAndRead() throws {
        try forEachConfiguration(size: size) { subject in
            let last = subject.size - subject.block
            let (source, sink) = (
                subject.buffer(subject.block), subject.buffer(subject.block)
            )
            source.fill(using: &subject.random)
            try subject.queue.writeAndWait(from: .init(source.bytes), at: UInt64(last))
            try subject.queue.readAndWait(into: sink.bytes, at: UInt64(last))
            XCTAssertTrue(sameBytes(source.bytes, sink.bytes))
            XCTAssertTrue(sink.guardsAreIntact)
            let found = try subject.plainFile().contents(at: last, subject.block)
            XCTAssertTrue(sameBytes(found.bytes, source.bytes))
        }
    }

    func testRequestsBehindTheEndMoveNothing() throws {
        try forEachConfiguration(size: size) { subject in
            let (block, size) = (subject.block, subject.image.size)
            let model = try subject.fillImage()
            let places: [(UInt64, blocks: Int)] = [
                (size, 1), (size - UInt64(block), 2), (size + UInt64(block), 1),
                (0, Int(size) / block + 1), (1 << 62, 1), (UInt64.max - UInt64(block) + 1, 1),
                (UInt64.max - 2 * UInt64(block) + 1, 2), (UInt64(Int64.max) - 511, 1),
            ]
            let buffer = subject.buffer(Int(size) + block)
            for (offset, blocks) in places {
                let piece = buffer.slice(0, blocks * block)
                expectOutOfRange(subject, offset, UInt64(piece.count)) {
                    $0.read(into: piece, at: offset)
                    $0.write(from: .init(piece), at: offset)
                }
            }
            XCTAssertTrue(buffer.isUntouched, "something was read")
            let found = try subject.plainFile().contents(at: 0, subject.size)
            XCTAssertTrue(sameBytes(found.bytes, model.bytes), "something was written")
        }
    }

    /// The memory named here does not exist: to touch any of it is to crash.
    func testLengthsThatOverflowAreOutOfRange() throws {
        try forEachConfiguration(size: size) { subject in
            let nowhere = UnsafeMutableRawPointer(bitPattern: 1 << 20)
            let largest = Int.max - 4095
            let lists: [[Int]] = [
                [largest], [largest, 4096], [largest, largest, largest], [-4096],
                [Int.min], [Int.min, Int.min], [-4096, 4096], [4096, -4096, 4096],
            ]
            for lengths in lists {
                let list = lengths.map { iovec(iov_base: nowhere, iov_len: $0) }
                list.withUnsafeBufferPointer { list in
                    for offset in [0, UInt64(subject.block), UInt64.max - 4095] {
                        expectOutOfRange(subject, offset, nil) {
                            $0.readv(list, at: offset)
                            $0.writev(list, at: offset)
                        }
                    }
                }
            }
        }
    }

    /// The file is cut while it is open: what is left is read, and the rest is an error.
    func testReadsBehindANewEndAreEndOfMedium() throws {
        try checkTruncation(keeping: size / 2)
    }

    /// The same with an end inside a sector, where direct I/O cannot read all that is left.
    func testReadsBehindANewOddEndAreEndOfMedium() throws {
        try checkTruncation(keeping: size / 2 + 300)
    }

    private func checkTruncation(keeping kept: Int) throws {
        try forEachConfiguration(
            size: size, where: { !$0.target.isBlockDevice && $0.layout != .striped }
        ) { subject in
            let block = subject.block
            let model = try subject.fillImage()
            XCTAssertEqual(subject.cut(to: kept), 0)
            // The next configuration uses the same file.
            defer { XCTAssertEqual(subject.cut(to: subject.size), 0) }
            let first = kept / block * block

            let behind = subject.buffer(4 * block)
            let gone = try read(subject, into: behind, at: first + block)
            XCTAssertEqual(gone.failure, .endOfMedium)
            XCTAssertEqual(gone.transferred, 0)

            let across = subject.buffer(8 * block)
            let partial = try read(subject, into: across, at: first - 4 * block)
            XCTAssertEqual(partial.failure, .endOfMedium)
            XCTAssertLessThan(partial.transferred, partial.length)
            XCTAssertGreaterThanOrEqual(partial.transferred, UInt64(4 * block))
            XCTAssertTrue(
                sameBytes(across.slice(0, 4 * block), model.slice(first - 4 * block, 4 * block)))
            XCTAssertTrue(across.guardsAreIntact)

            XCTAssertThrowsError(
                try subject.queue.readAndWait(into: behind.bytes, at: UInt64(first + block))
            ) { XCTAssertEqual(($0 as? BlockError)?.code, .endOfMedium) }
        }
    }

    private func read(
        _ subject: Subject, into buffer: AlignedBuffer, at offset: Int
    ) throws -> BlockCompletion {
        subject.queue.read(into: buffer.bytes, at: UInt64(offset))
        var found: BlockCompletion?
        try subject.queue.finish { found = $0 }
        return try XCTUnwrap(found)
    }

    private func expectOutOfRange(
        _ subject: Subject, _ offset: UInt64, _ length: UInt64?, line: UInt = #line,
        _ submit: (BlockQueue) -> Void
    ) {
        let before = subject.queue.statistics.kernelRequests
        submit(subject.queue)
        var completions: [BlockCompletion] = []
        subject.queue.poll { completions.append($0) }
        XCTAssertEqual(completions.count, 2, "at \(offset)", line: line)
        for completion in completions {
            XCTAssertEqual(completion.failure, .outOfRange, "at \(offset)", line: line)
            XCTAssertEqual(completion.transferred, 0, line: line)
            XCTAssertEqual(completion.offset, offset, line: line)
            if let length { XCTAssertEqual(completion.length, length, line: line) }
            XCTAssertThrowsError(try completion.get(on: subject.image), line: line)
        }
        XCTAssertEqual(subject.queue.outstanding, 0, line: line)
        XCTAssertEqual(subject.queue.statistics.kernelRequests, before, line: line)
    }
}
