import BlockIO
import XCTest
@testable import TestSupport

/// Tests on images with rate limits, on every engine. Limits of some operations in an hour show what passes and
/// what waits without regard to the speed of the machine.
class RateLimitTestCase: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    /// So many pass, and then one in an hour.
    static func hourly(_ burst: UInt64) -> RateLimit {
        RateLimit(1, per: .seconds(3600), burst: burst)
    }

    /// Runs `body` in another thread of a test, which cannot throw.
    static func attempt(_ body: () throws -> Void) {
        do { try body() } catch { XCTFail("threw \(error)") }
    }

    /// Runs `check` on each configuration with a queue that has adopted the limits, then lifts them and waits for
    /// what is left.
    func forEachSubject(
        _ limits: RateLimits, _ options: QueueOptions = QueueOptions(),
        where isWanted: (Configuration) -> Bool = { _ in true },
        _ check: (LimitedSubject) throws -> Void
    ) throws {
        try forEachConfiguration(
            size: 1 << 18, options, where: { $0.target == .tmpfsFile && isWanted($0) }
        ) { subject in
            try subject.image.setRateLimits(limits)
            subject.queue.poll()
            let limited = LimitedSubject(subject)
            try check(limited)
            try subject.image.setRateLimits(RateLimits())
            try subject.queue.finish()
        }
    }
}

/// A queue of an image with rate limits, and memory for its requests.
final class LimitedSubject {
    let subject: Subject
    let block: Int
    private let buffer: AlignedBuffer
    private let list: UnsafeMutableBufferPointer<iovec>
    static let blocks = 16

    init(_ subject: Subject) {
        self.subject = subject
        block = max(4096, subject.block)
        buffer = subject.buffer(Self.blocks * block)
        buffer.fill(0x5A)
        list = .allocate(capacity: Self.blocks)
        for index in 0..<Self.blocks {
            let part = buffer.slice(index * block, block)
            list[index] = iovec(iov_base: part.baseAddress, iov_len: part.count)
        }
    }

    deinit {
        try? subject.image.setRateLimits(RateLimits())
        try? subject.queue.finish()
        list.deallocate()
    }

    var image: BlockImage { subject.image }
    var queue: BlockQueue { subject.queue }

    /// A request that could take the fast path: of the block with this number, which is also its user data.
    @discardableResult
    func readBlock(_ index: Int) -> RequestID {
        queue.readv(part(index), at: UInt64(index * block), userData: UInt(index))
    }

    @discardableResult
    func writeBlock(_ index: Int) -> RequestID {
        queue.writev(part(index), at: UInt64(index * block), userData: UInt(index))
    }

    /// One request of this many blocks.
    func readBlocks(_ count: Int) {
        queue.readv(
            UnsafeBufferPointer(rebasing: UnsafeBufferPointer(list)[0..<count]), at: 0)
    }

    private func part(_ index: Int) -> UnsafeBufferPointer<iovec> {
        UnsafeBufferPointer(rebasing: UnsafeBufferPointer(list)[index...index])
    }

    /// Waits for so many completions. Returns their failures by user data.
    func ends(_ count: Int) throws -> [UInt: BlockError.Code?] {
        var found: [UInt: BlockError.Code?] = [:]
        while found.count < count {
            try queue.pollForOne { found[$0.userData] = .some($0.failure) }
        }
        return found
    }

    /// Waits for so many completions, which all succeed, and sees that no more come. Returns their user data.
    @discardableResult
    func expect(
        _ count: Int, file: StaticString = #filePath, line: UInt = #line
    ) throws -> [UInt] {
        var found: [UInt] = []
        func note(_ completion: BlockCompletion) {
            XCTAssertNil(completion.failure, file: file, line: line)
            found.append(completion.userData)
        }
        while found.count < count { try queue.pollForOne(note) }
        queue.poll(minimum: queue.outstanding, timeout: .milliseconds(3), note)
        XCTAssertEqual(found.count, count, "completions", file: file, line: line)
        return found.sorted()
    }
}
