import Synchronization
import XCTest
@testable import BlockIO
@testable import TestSupport

/// A queue wakes its owner when a request completes outside `poll`.
final class OwnWakeTests: XCTestCase {
    /// A thread pool knows from wakes that other threads interrupt waits of its owner. This is none.
    func testItDoesNotCountAsThatOfAnotherThread() throws {
        let target = try orSkip(StorageTarget.make(.ext4File, size: 1 << 20))
        defer { target.close() }
        let image = try BlockImage.open(
            target.path, OpenOptions(access: .readWrite, engine: .forced(.threadPool)))
        let queue = try BlockQueue(image)
        guard case .pool(let pool) = queue.core.pointee.engine.wakeEvent else {
            return XCTFail("the engine is no thread pool")
        }
        let buffer = AlignedBuffer(count: 4096)
        let events = try EventSet(queue.descriptor)
        for _ in 0..<3 {
            queue.read(into: buffer.bytes, at: 1 << 40)
            XCTAssertTrue(events.isReadable)
            XCTAssertEqual(queue.poll(), 1)
            XCTAssertFalse(events.isReadable)
        }
        XCTAssertEqual(pool.wakes.load(ordering: .relaxed), 0)
        queue.remote.close()
        XCTAssertEqual(pool.wakes.load(ordering: .relaxed), 1)
        queue.poll()
    }
}
