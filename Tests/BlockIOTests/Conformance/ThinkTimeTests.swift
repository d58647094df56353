import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// A request made by one thread while another sleeps on the descriptor completes although the first
/// thread, like a virtual CPU, goes on to something else and never enters the library again.
final class ThinkTimeTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    func testSubmitterThatSpins() throws {
        try check { microseconds in
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            let end = now.tv_sec * 1_000_000 + now.tv_nsec / 1000 + microseconds
            repeat {
                clock_gettime(CLOCK_MONOTONIC, &now)
            } while now.tv_sec * 1_000_000 + now.tv_nsec / 1000 < end
        }
    }

    func testSubmitterThatSleeps() throws {
        try check { usleep(UInt32($0)) }
    }

    private func check(think: (Int) -> Void) throws {
        try forEachConfiguration(size: 1 << 20, where: { $0.threading == .shared }) { subject in
            let block = subject.block
            let content = try subject.fillImage()
            let buffer = subject.buffer(block)
            let thread = try EventThread(subject.queue)
            defer { thread.stop() }
            for _ in 0..<15 {
                let place = subject.random.number(0...subject.size / block - 1) * block
                buffer.fill(AlignedBuffer.guardByte)
                thread.withQueue { $0.read(into: buffer.bytes, at: UInt64(place)) }
                // From here to the end of the round this thread stays out of the library.
                think(subject.random.number(0...5_000))
                guard thread.delivered.wait(timeout: .now() + 60) == .success else {
                    throw Stuck(outstanding: 1)
                }
                XCTAssertTrue(sameBytes(buffer.bytes, content.slice(place, block)))
            }
        }
    }
}

/// The I/O thread of an emulator in small: sleeps on the queue's descriptor without the lock, and
/// polls under it.
private final class EventThread: @unchecked Sendable {
    /// Signalled for each completion.
    let delivered = DispatchSemaphore(value: 0)
    /// `nil` once the thread has ended: when the thread gives up its references is its own affair.
    private var queue: BlockQueue?
    // Not `Mutex`, through which the thread sanitizer does not see.
    private let lock = NSLock()
    private let leash: Descriptor
    private let orders: Descriptor
    private let ended = DispatchSemaphore(value: 0)

    init(_ queue: BlockQueue) throws {
        self.queue = queue
        (orders, leash) = try Descriptor.pipe()
        let events = try EventSet(queue.descriptor, orders.raw)
        Thread.detachNewThread { [self] in
            while let readable = events.wait(milliseconds: -1), readable != orders.raw {
                lock.withLock {
                    _ = self.queue?.poll { _ in delivered.signal() }
                }
            }
            ended.signal()
        }
    }

    func withQueue(_ body: (BlockQueue) -> Void) {
        lock.withLock { queue.map(body) }
    }

    /// Ends the thread.
    func stop() {
        leash.close()
        ended.wait()
        queue = nil
    }
}
