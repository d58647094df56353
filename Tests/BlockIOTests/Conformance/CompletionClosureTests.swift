import BlockIO
import XCTest
@testable import TestSupport

/// Requests that bring their own closure: called once, by poll, in place of the one given there.
final class CompletionClosureTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let size = 1 << 20

    func testEachClosureIsCalledOnceByPoll() throws {
        try forEachConfiguration(size: size) { subject in
            let (block, queue) = (subject.block, subject.queue)
            let content = try subject.fillImage()
            let buffer = subject.buffer(30 * block)
            let list = [iovec(iov_base: buffer.bytes.baseAddress, iov_len: block)]
            var calls = [Int](repeating: 0, count: 32)
            var toPoll: [UInt] = []
            let vectors = (0..<30).map {
                iovec(iov_base: buffer.bytes.baseAddress! + $0 * block, iov_len: block)
            }
            vectors.withUnsafeBufferPointer { vectors in
                for index in 0..<30 {
                    let one = UnsafeBufferPointer(rebasing: vectors[index...index])
                    let place = UInt64(index * block)
                    queue.readv(one, at: place) { completion in
                        calls[index] += 1
                        XCTAssertTrue(completion.isSuccess)
                        XCTAssertEqual(completion.offset, place)
                    }
                }
                queue.flush { _ in calls[30] += 1 }
                _ = list.withUnsafeBufferPointer { list in
                    queue.writev(list, at: .max) { completion in
                        calls[31] += 1
                        XCTAssertEqual(completion.failure, .outOfRange)
                    }
                }
                queue.flush(userData: 5)
                XCTAssertEqual(queue.outstanding, 33)
                XCTAssertEqual(calls.reduce(0, +), 0, "called without poll")
                var delivered = 0
                while queue.outstanding > 0 {
                    delivered += queue.poll(minimum: 1) { toPoll.append($0.userData) }
                }
                XCTAssertEqual(delivered, 33, "poll counts what went to closures")
            }
            XCTAssertEqual(calls, [Int](repeating: 1, count: 32))
            XCTAssertEqual(toPoll, [5])
            XCTAssertTrue(sameBytes(buffer.bytes, content.slice(0, 30 * block)))
        }
    }

    /// A copy of the image's first half to its second, block by block, each step started by the
    /// closure of the one before.
    func testClosuresSubmitTheNextRequest() throws {
        try forEachConfiguration(size: 256 << 10) { subject in
            let content = try subject.fillImage()
            let half = subject.size / 2
            let copier = Copier(subject)
            for _ in 0..<4 { copier.next() }
            subject.queue.drain { _ in XCTFail("nothing is for poll") }
            XCTAssertTrue(copier.failures.isEmpty, "\(copier.failures)")
            let found = try subject.plainFile().contents(at: half, half)
            XCTAssertTrue(sameBytes(found.bytes, content.slice(0, half)))
        }
    }

    func testClosuresMakeSynchronousCalls() throws {
        try forEachConfiguration(size: size) { subject in
            let (block, queue) = (subject.block, subject.queue)
            let content = try subject.fillImage()
            let buffer = subject.buffer(block)
            let outcomes = Outcomes()
            var calls = 0
            for round in 0..<8 {
                queue.flush { _ in
                    calls += 1
                    let place = round * block
                    outcomes.record { try queue.readAndWait(into: buffer.bytes, at: UInt64(place)) }
                    XCTAssertTrue(sameBytes(buffer.bytes, content.slice(place, block)))
                }
            }
            try queue.finish()
            XCTAssertEqual(calls, 8)
            XCTAssertTrue(outcomes.errors.isEmpty, "\(outcomes.errors)")
        }
    }

    /// A queue that is released calls what is left, and lets go of all closures.
    func testClosuresAreCalledAndReleasedWithTheQueue() throws {
        final class Token {}
        try forEachTarget(size: size) { configuration, target in
            var calls = 0
            weak var leaked: Token?
            do {
                let subject = try Subject(configuration, target, QueueOptions())
                let token = Token()
                leaked = token
                for _ in 0..<20 {
                    subject.queue.flush { _ in withExtendedLifetime(token) { calls += 1 } }
                }
            }
            XCTAssertEqual(calls, 20)
            XCTAssertNil(leaked)
        }
    }
}

/// Copies the first half of an image to the second with closures only.
private final class Copier {
    private(set) var failures: [BlockCompletion] = []
    private let queue: BlockQueue
    private let block: Int
    private let half: Int
    private let list: UnsafeMutableBufferPointer<iovec>
    private let buffer: AlignedBuffer
    private var index = 0

    init(_ subject: Subject) {
        queue = subject.queue
        block = subject.block
        half = subject.size / 2
        buffer = subject.buffer(half)
        let (start, block) = (buffer.bytes.baseAddress!, self.block)
        list = .allocate(capacity: half / block)
        for index in list.indices {
            list.initializeElement(
                at: index, to: iovec(iov_base: start + index * block, iov_len: block))
        }
    }

    deinit {
        list.deallocate()
    }

    func next() {
        guard index < list.count else { return }
        let place = index * block
        let one = UnsafeBufferPointer(rebasing: list[index...index])
        index += 1
        queue.readv(one, at: UInt64(place)) { [self] read in
            if !read.isSuccess { failures.append(read) }
            queue.writev(one, at: UInt64(half + place)) { [self] written in
                if !written.isSuccess { failures.append(written) }
                next()
            }
        }
    }
}
