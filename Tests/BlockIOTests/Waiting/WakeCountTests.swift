import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// How often an owner that sleeps on the descriptor is woken: once for each completion that comes
/// alone, and hardly ever for nothing.
final class WakeCountTests: ConformanceTestCase {
    private static let requests = 3_000

    /// A caller that has waited in the queue finds nothing to do when it sleeps on the descriptor.
    func testAWaitInTheQueueLeavesTheDescriptorQuiet() throws {
        let waits = 300
        try forEachConfiguration(
            size: 1 << 20, where: { [.ext4File, .loop512].contains($0.target) }
        ) { subject in
            let (queue, block) = (subject.queue, subject.block)
            let buffer = subject.buffer(2 * block)
            let events = try EventSet(queue.descriptor)
            var readable = 0
            for _ in 0..<waits {
                for index in 0..<2 {
                    queue.read(into: buffer.slice(index * block, block), at: UInt64(index * block))
                }
                try queue.finish { XCTAssertTrue($0.isSuccess) }
                if events.isReadable { readable += 1 }
                while events.isReadable { queue.poll() }
            }
            // The kernel writes the eventfd after it has made the completion visible, and so sometimes after the wait.
            XCTAssertLessThanOrEqual(readable, waits / 2)
        }
    }

    func testAWakeForEachCompletion() throws {
        try forEachConfiguration(
            size: 1 << 20, where: { [.ext4File, .loop512].contains($0.target) }
        ) { subject in
            let (queue, block) = (subject.queue, subject.block)
            let buffer = subject.buffer(block)
            let events = try EventSet(queue.descriptor)
            // The first use of a ring has wakes of its own.
            try queue.readAndWait(into: buffer.bytes, at: 0)
            while events.isReadable { queue.poll() }

            let places = subject.size / block
            var (wakes, empty, done) = (0, 0, 0)
            while done < Self.requests {
                queue.read(
                    into: buffer.bytes, at: UInt64(subject.random.number(0...places - 1) * block))
                var isDelivered = false
                while !isDelivered {
                    guard events.wait() != nil else {
                        throw Stuck(outstanding: queue.outstanding)
                    }
                    wakes += 1
                    let count = queue.poll { XCTAssertTrue($0.isSuccess) }
                    if count == 0 { empty += 1 }
                    isDelivered = count > 0
                }
                done += 1
            }
            XCTAssertLessThanOrEqual(
                wakes, Self.requests * 102 / 100, "\(empty) for nothing, of \(wakes)")
        }
    }
}
