import XCTest

@testable import BlockIO
@testable import TestSupport

/// A caller that looks at the queue again and again, and watches its descriptor only from time to time.
final class UnwatchedDescriptorTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    /// Nothing is lost on the way from one to the other, whether a request ends before, at the same time or
    /// after; and the descriptor becomes quiet.
    func testNothingIsLostWhenTheDescriptorIsWatchedAgain() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let (queue, block) = (subject.queue, subject.block)
            let events = try EventSet(queue.descriptor)
            let buffer = subject.buffer(8 * block)
            for round in 0..<60 {
                queue.setDescriptorWatched(false)
                var left = 8
                for slot in 0..<left {
                    queue.read(
                        into: buffer.slice(slot * block, block), at: UInt64(slot * block),
                        userData: UInt(slot))
                }
                // The first few are found without the descriptor.
                let limit = 8 - round % 9
                let end = ContinuousClock.now + Patience.limit
                while left > limit {
                    guard ContinuousClock.now < end else { throw Stuck(outstanding: left) }
                    left -= queue.poll { XCTAssertTrue($0.isSuccess) }
                }
                if round % 3 == 0 { usleep(UInt32(subject.random.number(0...300))) }
                queue.setDescriptorWatched(true)
                left -= queue.poll { XCTAssertTrue($0.isSuccess) }
                while left > 0 {
                    guard events.wait() != nil else { throw Stuck(outstanding: left) }
                    left -= queue.poll { XCTAssertTrue($0.isSuccess) }
                }
                XCTAssertEqual(left, 0)
            }
            try assertGoesQuiet(queue, events)
        }
    }

    /// What ended while nobody watched makes the descriptor readable when somebody does.
    func testTheDescriptorTellsOfWhatEndedBefore() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let queue = subject.queue
            let events = try EventSet(queue.descriptor)
            let buffer = subject.buffer(subject.block)
            for _ in 0..<20 {
                queue.setDescriptorWatched(false)
                queue.read(into: buffer.bytes, at: 0)
                usleep(UInt32(subject.random.number(0...300)))
                queue.setDescriptorWatched(true)
                var left = 1
                while left > 0 {
                    guard events.wait() != nil else { throw Stuck(outstanding: left) }
                    left -= queue.poll { XCTAssertTrue($0.isSuccess) }
                }
            }
            try assertGoesQuiet(queue, events)
        }
    }

    private func assertGoesQuiet(_ queue: BlockQueue, _ events: EventSet) throws {
        try eventually("the descriptor is quiet") {
            if events.isReadable { XCTAssertEqual(queue.poll(), 0) }
            return !events.isReadable
        }
    }
}
