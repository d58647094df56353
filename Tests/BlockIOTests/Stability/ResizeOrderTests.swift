import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// A resize among other requests: it waits for the writes and discards before it and holds back
/// those behind it, so that the file is what it would be had they been made one by one.
final class ResizeOrderTests: ConformanceTestCase {
    private static let long: UInt64 = 8192
    private static let short: UInt64 = 4096

    private static func isFile(_ configuration: Configuration) -> Bool {
        [.tmpfsFile, .ext4File].contains(configuration.target)
    }

    /// The end of the write is no multiple of a sector and lies behind the new end of the file:
    /// were it done after the resize, the file could not be opened again.
    func testAResizeBehindAWriteAtTheEnd() throws {
        try forEachRound { subject, buffer, _ in
            subject.queue.batch {
                subject.queue.write(from: .init(buffer.slice(0, 100)), at: 5000)
                subject.queue.resize(to: Self.short)
            }
            return Self.short
        }
    }

    /// The write comes to an image that has ended before.
    func testAWriteBehindAResize() throws {
        try forEachRound { subject, buffer, _ in
            subject.queue.batch {
                subject.queue.resize(to: Self.short)
                subject.queue.write(from: .init(buffer.slice(0, 100)), at: 5000)
            }
            return nil
        }
    }

    /// Reads, discards, and writes of parts of blocks, before and behind.
    func testAResizeAmongOtherRequests() throws {
        try forEachRound(60) { subject, buffer, round in
            let queue = subject.queue
            queue.batch {
                queue.write(from: .init(buffer.slice(0, 700)), at: 5000)
                queue.read(into: buffer.slice(1024, 512), at: 7000)
                queue.write(from: .init(buffer.slice(0, 50)), at: 5700)
                queue.discard(at: 4096, length: 4096)
                if round % 2 == 0 {
                    queue.write(
                        from: .init(buffer.slice(0, 9)), at: 8100, durability: .forceUnitAccess)
                }
                queue.resize(to: Self.short)
                queue.read(into: buffer.slice(2048, 512), at: 3000)
                queue.write(from: .init(buffer.slice(0, 300)), at: 3700)
                queue.flush()
            }
            return Self.short
        }
    }

    func testTwoResizes() throws {
        try forEachRound(60) { subject, buffer, round in
            subject.queue.batch {
                subject.queue.write(from: .init(buffer.slice(0, 100)), at: 5000)
                subject.queue.resize(to: Self.short)
                subject.queue.write(from: .init(buffer.slice(0, 100)), at: 1000)
                subject.queue.resize(to: round % 2 == 0 ? 6144 : 2048)
                subject.queue.write(from: .init(buffer.slice(0, 100)), at: 1500)
            }
            return round % 2 == 0 ? 6144 : 2048
        }
    }

    /// Makes the requests again and again on an image of 8192 bytes; afterwards the image's size is
    /// the file's, and the one returned if any, and the file can be opened.
    private func forEachRound(
        _ rounds: Int = 200, _ makeRequests: (Subject, AlignedBuffer, Int) -> UInt64?
    ) throws {
        try forEachConfiguration(size: Int(Self.long), where: Self.isFile) { subject in
            let buffer = subject.buffer(4096)
            for round in 0..<rounds {
                let expected = makeRequests(subject, buffer, round)
                try Rescue.watching(outstanding: subject.queue.outstanding) {
                    try subject.queue.finish { completion in
                        if completion.operation == .resize {
                            XCTAssertTrue(completion.isSuccess, "\(completion)")
                        }
                    }
                }
                let file = try self.fileSize(subject)
                guard file == subject.image.size, file == expected ?? file, file % 512 == 0 else {
                    return XCTFail(
                        "round \(round): the file has \(file) bytes, the image "
                            + "\(subject.image.size), expected \(expected ?? file)"
                    )
                }
                if round == rounds / 2 { try self.assertOpens(subject) }
                try subject.queue.resizeAndWait(to: Self.long)
            }
        }
    }

    private func assertOpens(_ subject: Subject) throws {
        let image = try BlockImage.open(
            subject.target.path, OpenOptions(lock: .off, engine: .forced(.threadPool)))
        XCTAssertEqual(image.size, try fileSize(subject))
    }

    /// What is submitted before is done before.
    func testAResizeWaitsForAWriteThatTakesLong() throws {
        try forEachConfiguration(
            size: 1 << 16, where: { $0.target == .ext4File && $0.engine == .threadPool }
        ) { subject in
            let buffer = subject.buffer(1 << 16)
            let write = CallFault(CTS_CALL_WRITE, holdMilliseconds: Patience.holdMilliseconds)
            let truncate = CallFault(CTS_CALL_TRUNCATE, count: 0)
            guard write.isCovered else { return }
            // The one before has left it short.
            try subject.queue.resizeAndWait(to: 1 << 16)
            try Rescue.watching(help: { cts_calls_clear() }) {
                try write.during {
                    truncate.set()
                    subject.queue.write(from: .init(buffer.bytes), at: 0)
                    try eventually("the write is under way") { write.counts.held == 1 }
                    subject.queue.resize(to: Self.short)
                    subject.queue.poll(minimum: 1, timeout: .milliseconds(20))
                    XCTAssertEqual(truncate.counts.calls, 0)
                    write.release()
                    try subject.queue.finish { XCTAssertTrue($0.isSuccess) }
                    XCTAssertEqual(truncate.counts.calls, 1)
                }
            }
            XCTAssertEqual(try self.fileSize(subject), Self.short)
            try subject.queue.resizeAndWait(to: 1 << 16)
        }
    }

    /// What is submitted behind waits, but for reads.
    func testAResizeThatTakesLongHoldsBackWritesAndNotReads() throws {
        try forEachConfiguration(size: 1 << 16, where: Self.isFile) { subject in
            let queue = subject.queue
            let buffer = subject.buffer(8192)
            let fault = CallFault(CTS_CALL_TRUNCATE, holdMilliseconds: Patience.holdMilliseconds)
            var order: [UInt] = []
            try Rescue.watching(help: { cts_calls_clear() }) {
                try fault.during {
                    queue.resize(to: 1 << 15, userData: 1)
                    try eventually("the resize is under way") { fault.counts.held == 1 }
                    queue.write(from: .init(buffer.slice(0, 4096)), at: 0, userData: 2)
                    queue.discard(at: 8192, length: 4096, userData: 3)
                    queue.read(into: buffer.slice(4096, 4096), at: 4096, userData: 4)
                    queue.poll(minimum: 1) { order.append($0.userData) }
                    queue.poll(minimum: 1, timeout: .milliseconds(20)) {
                        order.append($0.userData)
                    }
                    XCTAssertEqual(order, [4])
                    fault.release()
                    try queue.finish {
                        XCTAssertTrue($0.isSuccess, "\($0)")
                        order.append($0.userData)
                    }
                }
            }
            XCTAssertEqual(order.count, 4)
            XCTAssertEqual(order.dropFirst().first, 1, "\(order)")
            try queue.resizeAndWait(to: 1 << 16)
        }
    }

    private func fileSize(_ subject: Subject) throws -> UInt64 {
        var status = stat()
        try SystemCall.check(SystemCall.result(stat(subject.target.path, &status)), "stat")
        return UInt64(status.st_size)
    }
}
