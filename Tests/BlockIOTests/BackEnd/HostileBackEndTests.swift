import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// A back end that is wrong, or lies: a typed error, and the image goes on to work.
final class HostileBackEndTests: XCTestCase {
    private let size = 64 << 10

    private func withQueue(
        _ backEnd: MemoryBackEnd, _ caching: OpenOptions.Caching = .direct,
        _ check: (BlockImage, BlockQueue) throws -> Void
    ) throws {
        let image = try BlockImage.open(
            backEnd: backEnd, OpenOptions(access: .readWrite, caching: caching))
        let queue = try BlockQueue(image, QueueOptions(bounceLimit: 4096))
        defer { queue.close() }
        try check(image, queue)
    }

    private func assertFails(
        _ code: BlockError.Code, errno: CInt = 0, _ context: String,
        _ call: () throws -> Void, line: UInt = #line
    ) {
        XCTAssertThrowsError(try call(), context, line: line) {
            let error = $0 as? BlockError
            XCTAssertEqual(error?.code, code, context, line: line)
            XCTAssertEqual(error?.errno, errno, context, line: line)
        }
    }

    /// What is more than was asked for, and what is no errno.
    private static let lies: [Int64] = [
        -4096, -(1 << 32), .min, .min + 1, 1 << 20, 1 << 32, .max,
    ]

    func testAnAnswerThatCannotBeFailsTheTransfer() throws {
        // With 100 bytes behind the last whole block.
        let backEnd = MemoryBackEnd(size: size + 100)
        let buffer = AlignedBuffer(count: 16 << 10)
        try withQueue(backEnd) { _, queue in
            // Whole blocks, parts of blocks, pieces, and the end.
            let places = [(0, 512), (100, 300), (1000, 16 << 10), (64 << 10, 100)]
            for lie in Self.lies {
                for (start, count) in places {
                    backEnd.claims.withLock { $0.answer = { _ in lie } }
                    let context = "answer \(lie) to \(count) bytes at \(start)"
                    let part = buffer.slice(0, count)
                    assertFails(.system, errno: EIO, "read, \(context)") {
                        try queue.readAndWait(into: part, at: UInt64(start))
                    }
                    assertFails(.system, errno: EIO, "write, \(context)") {
                        try queue.writeAndWait(
                            from: UnsafeRawBufferPointer(part), at: UInt64(start))
                    }
                    backEnd.claims.withLock { $0.answer = nil }
                    let byte = UInt8(truncatingIfNeeded: start + 1)
                    part.copyBytes(from: repeatElement(byte, count: count))
                    try queue.writeAndWait(from: UnsafeRawBufferPointer(part), at: UInt64(start))
                    let inside = backEnd.bytes[start..<start + count]
                    XCTAssertTrue(
                        sameBytes(UnsafeMutableRawBufferPointer(rebasing: inside), part), context)
                }
            }
            XCTAssertTrue(buffer.guardsAreIntact)
        }
    }

    func testAnAnswerThatIsALittleTooMuchFailsTheTransfer() throws {
        let backEnd = MemoryBackEnd(size: size)
        let buffer = AlignedBuffer(count: 9000)
        try withQueue(backEnd) { _, queue in
            for excess in [Int64(1), 512, 4096] {
                backEnd.claims.withLock {
                    $0.answer = { $0.kind == .read ? Int64($0.length) + excess : nil }
                }
                // Through the bounce buffer, in pieces; and the blocks around a write.
                assertFails(.system, errno: EIO, "read") {
                    try queue.readAndWait(into: buffer.bytes, at: 100)
                }
                assertFails(.system, errno: EIO, "write") {
                    try queue.writeAndWait(from: UnsafeRawBufferPointer(buffer.bytes), at: 100)
                }
            }
        }
        XCTAssertTrue(buffer.isUntouched)
    }

    /// After a flush that may have failed, none of the image succeeds.
    func testAnAnswerThatCannotBeFailsTheFlush() throws {
        for lie in Self.lies + [1] {
            let backEnd = MemoryBackEnd(size: size)
            backEnd.claims.withLock { $0.answer = { $0.kind == .synchronize ? lie : nil } }
            try withQueue(backEnd) { _, queue in
                for _ in 0..<2 {
                    assertFails(.system, errno: EIO, "answer \(lie)") { try queue.flushAndWait() }
                    backEnd.claims.withLock { $0.answer = nil }
                }
            }
        }
    }

    func testAnAnswerThatCannotBeFailsDiscardsAndZeroes() throws {
        for lie in Self.lies {
            let backEnd = MemoryBackEnd(size: size)
            backEnd.claims.withLock { $0.answer = { _ in lie } }
            try withQueue(backEnd) { _, queue in
                assertFails(.system, errno: EIO, "answer \(lie)") {
                    _ = try queue.discardAndWait(at: 0, length: 4096)
                }
                assertFails(.system, errno: EIO, "answer \(lie)") {
                    try queue.writeZeroesAndWait(at: 0, length: 4096)
                }
            }
        }
    }

    func testABackEndWithoutResizeIsNotAskedForOne() throws {
        let backEnd = MemoryBackEnd(size: size)
        backEnd.claims.withLock { $0.answer = { $0.kind == .truncate ? 0 : nil } }
        try withQueue(backEnd) { _, queue in
            XCTAssertThrowsError(try queue.resizeAndWait(to: 4096)) {
                XCTAssertEqual(($0 as? BlockError)?.code, .unsupported)
                XCTAssertEqual("\($0)", "resize memory: the image's back end cannot be resized")
            }
        }
    }

    func testABackEndThatShrinksEndsTheMedium() throws {
        let backEnd = MemoryBackEnd(size: size)
        let buffer = AlignedBuffer(count: 4096)
        try withQueue(backEnd) { image, queue in
            backEnd.claims.withLock { $0.size = UInt64(self.size / 2) }
            let source = UnsafeRawBufferPointer(buffer.bytes)
            // Behind the end, and across it.
            for place in [size / 2, size / 2 - 512] {
                assertFails(.endOfMedium, "read at \(place)") {
                    try queue.readAndWait(into: buffer.bytes, at: UInt64(place))
                }
                assertFails(.endOfMedium, "write at \(place)") {
                    try queue.writeAndWait(from: source, at: UInt64(place))
                }
            }
            // Beyond what it was, it is asked again.
            assertFails(.outOfRange, "beyond") {
                try queue.readAndWait(into: buffer.bytes, at: UInt64(self.size))
            }
            XCTAssertEqual(image.size, UInt64(size / 2))
            assertFails(.outOfRange, "behind the new end") {
                try queue.readAndWait(into: buffer.bytes, at: UInt64(self.size / 2))
            }
            try queue.readAndWait(into: buffer.bytes, at: 0)
        }
    }

    func testASizeThatChangesIsTakenWhenItIsOne() throws {
        let backEnd = MemoryBackEnd(size: 2 * size)
        backEnd.claims.withLock { $0.size = UInt64(self.size) }
        let buffer = AlignedBuffer(count: 512)
        try withQueue(backEnd) { image, queue in
            let beyond = UInt64(size)
            for claim in [UInt64.max, 1 << 63] {
                backEnd.claims.withLock { $0.size = claim }
                assertFails(.outOfRange, "\(claim)") {
                    try queue.readAndWait(into: buffer.bytes, at: beyond)
                }
                XCTAssertEqual(image.size, UInt64(size))
            }
            backEnd.claims.withLock { $0.size = UInt64(2 * self.size) }
            try queue.readAndWait(into: buffer.bytes, at: beyond)
            XCTAssertEqual(image.size, UInt64(2 * size))
            backEnd.claims.withLock { $0.size = 0 }
            assertFails(.outOfRange, "empty") {
                try queue.readAndWait(into: buffer.bytes, at: UInt64(2 * self.size))
            }
            XCTAssertEqual(image.size, 0)
        }
    }

    func testAnAlignmentThatChangesIsTakenWhenItIsOne() throws {
        let backEnd = MemoryBackEnd(size: size)
        let buffer = AlignedBuffer(count: 512)
        buffer.fill(6)
        let source = UnsafeRawBufferPointer(buffer.bytes)
        try withQueue(backEnd) { image, queue in
            // The server takes only whole blocks of 4096 bytes now.
            let answer: @Sendable (EngineSubmission) -> Int64? = { submission in
                let isWhole = submission.position % 4096 == 0 && submission.length % 4096 == 0
                return isWhole ? nil : -Int64(EINVAL)
            }
            backEnd.claims.withLock {
                $0.answer = answer
                $0.alignment = HostAlignment(memory: 1, offset: 3)
            }
            assertFails(.system, errno: EINVAL, "no alignment") {
                try queue.writeAndWait(from: source, at: 512)
            }
            XCTAssertEqual(image.alignment.offset, 512)
            backEnd.claims.withLock { $0.alignment = HostAlignment(memory: 1, offset: 4096) }
            try queue.writeAndWait(from: source, at: 512)
            XCTAssertEqual(image.alignment.offset, 4096)
            XCTAssertEqual(backEnd.bytes[511], 0)
            XCTAssertEqual(backEnd.bytes[512], 6)
            XCTAssertEqual(backEnd.bytes[1024], 0)
        }
    }

    /// A durable write on a back end with a page cache is a write and a sync.
    func testABufferedBackEndIsSyncedForADurableWrite() throws {
        let backEnd = MemoryBackEnd(size: size, isDirect: false)
        let buffer = AlignedBuffer(count: 512)
        let syncs = Locked(0)
        let answer: @Sendable (EngineSubmission) -> Int64? = { submission in
            if submission.kind == .synchronize { syncs.withLock { $0 += 1 } }
            return submission.isDurable ? -Int64(ENOSYS) : nil
        }
        backEnd.claims.withLock { $0.answer = answer }
        try withQueue(backEnd, .buffered) { _, queue in
            try queue.writeAndWait(
                from: UnsafeRawBufferPointer(buffer.bytes), at: 0, durability: .forceUnitAccess)
        }
        XCTAssertEqual(syncs.withLock { $0 }, 1)
    }
}
