import BlockIO
import XCTest
@testable import TestSupport

/// A caller that polls when the descriptor is readable, and at no other time, gets everything.
final class EventLoopTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let size = 1 << 20

    func testAHundredRequestsPolledWhenReadable() throws {
        try checkAHundred(together: 16)
    }

    /// More than the kernel posts at a time, when it posts for a sleeping owner.
    func testAHundredRequestsInFlightPolledWhenReadable() throws {
        try checkAHundred(together: 100)
    }

    private func checkAHundred(together: Int) throws {
        try forEachConfiguration(size: size) { subject in
            let (block, count) = (subject.block, 100)
            let content = try subject.fillImage()
            let buffer = subject.buffer(together * block)
            let places = (0..<count).map { _ in subject.random.number(0...subject.size / block - 1)
            }
            var ledger = Ledger(count: count)
            var submitted = 0
            // Request `index` uses the buffer that the request `together` before it is done with.
            func submit(into slot: Int) {
                subject.queue.read(
                    into: buffer.slice(slot * block, block), at: UInt64(places[submitted] * block),
                    userData: UInt(submitted))
                slots[submitted] = slot
                submitted += 1
            }
            var slots = [Int](repeating: 0, count: count)
            for slot in 0..<together { submit(into: slot) }

            let events = try EventSet(subject.queue.descriptor)
            // Lets some end that nobody looks for.
            usleep(UInt32(subject.random.number(0...2_000)))
            while !ledger.isComplete {
                guard events.wait() != nil else {
                    throw Stuck(outstanding: subject.queue.outstanding)
                }
                subject.queue.poll { completion in
                    ledger.note(completion)
                    let index = Int(completion.userData)
                    let slot = slots[index]
                    let expected = content.slice(places[index] * block, block)
                    XCTAssertTrue(sameBytes(buffer.slice(slot * block, block), expected))
                    if submitted < count { submit(into: slot) }
                }
            }
            ledger.assertAllSucceeded()
            try assertGoesQuiet(subject.queue, events)
        }
    }

    /// What is refused or empty never gets to the kernel, so nobody else makes the noise.
    func testRequestsThatEndAtSubmissionAreAnnounced() throws {
        try forEachConfiguration(size: size) { subject in
            let buffer = subject.buffer(subject.block)
            let events = try EventSet(subject.queue.descriptor)
            let submissions: [(String, () -> Void)] = [
                ("refused", { subject.queue.read(into: buffer.bytes, at: .max - 4095) }),
                ("empty", { subject.queue.readv(.init(start: nil, count: 0), at: 0) }),
                (
                    "refused in a batch",
                    { _ = subject.queue.batch { subject.queue.read(into: buffer.bytes, at: .max) } }
                ),
                (
                    "refused behind another",
                    {
                        subject.queue.read(into: buffer.bytes, at: 0)
                        subject.queue.read(into: buffer.bytes, at: .max - 4095)
                    }
                ),
            ]
            for (what, submit) in submissions {
                submit()
                try deliverAllWhenReadable(subject.queue, events, what)
            }
        }
    }

    /// The synchronous call consumes the announcement of what it leaves to others.
    func testCompletionsLeftBehindByASynchronousCallAreAnnounced() throws {
        try forEachConfiguration(size: size) { subject in
            let block = subject.block
            let buffer = subject.buffer(6 * block)
            let events = try EventSet(subject.queue.descriptor)
            for _ in 0..<10 {
                for index in 0..<4 {
                    subject.queue.read(
                        into: buffer.slice(index * block, block), at: UInt64(index * block))
                }
                try subject.queue.readAndWait(
                    into: buffer.slice(4 * block, 2 * block), at: UInt64(8 * block))
                try deliverAllWhenReadable(subject.queue, events, "after a read")
            }
        }
    }

    /// The same when the announcement was for something that had ended before the call.
    func testARefusalBeforeASynchronousCallIsStillAnnounced() throws {
        try forEachConfiguration(size: size) { subject in
            let buffer = subject.buffer(subject.block)
            let events = try EventSet(subject.queue.descriptor)
            subject.queue.read(into: buffer.bytes, at: .max - 4095)
            try subject.queue.readAndWait(into: buffer.bytes, at: 0)
            try deliverAllWhenReadable(subject.queue, events, "after a refusal and a read")
        }
    }

    /// The announcement of what a nested synchronous call leaves is not lost with the outer poll's.
    func testCompletionsLeftBehindInsidePollAreAnnounced() throws {
        try forEachConfiguration(size: size) { subject in
            let block = subject.block
            let buffer = subject.buffer(6 * block)
            let events = try EventSet(subject.queue.descriptor)
            for index in 0..<4 {
                subject.queue.read(
                    into: buffer.slice(index * block, block), at: UInt64(index * block))
            }
            let outcomes = Outcomes()
            var nested = false
            try subject.queue.pollForOne { _ in
                if nested { return }
                nested = true
                subject.queue.read(into: buffer.slice(4 * block, block), at: .max - 4095)
                outcomes.record {
                    try subject.queue.readAndWait(into: buffer.slice(5 * block, block), at: 0)
                }
            }
            XCTAssertTrue(outcomes.errors.isEmpty, "\(outcomes.errors)")
            try deliverAllWhenReadable(subject.queue, events, "after poll")
        }
    }

    /// Some have ended where only the kernel knows of it (DEFER_TASKRUN) when one that ends at
    /// submission satisfies a wait: the announcement of the others must not go with it.
    func testCompletionsNotYetPostedAreAnnounced() throws {
        try forEachConfiguration(size: size) { subject in
            let block = subject.block
            let buffer = subject.buffer(5 * block)
            let last = subject.buffer(subject.size / 2)
            let events = try EventSet(subject.queue.descriptor)
            for _ in 0..<3 {
                try subject.plainFile().dropCache()
                try subject.queue.readAndWait(into: last.bytes, at: UInt64(last.count))
                for index in 0..<4 {
                    subject.queue.read(
                        into: buffer.slice(index * block, block),
                        at: UInt64(index * (64 << 10)))
                }
                usleep(3_000)
                subject.queue.read(
                    into: buffer.slice(4 * block, block), at: UInt64(subject.size - block))
                try subject.queue.pollForOne()
                try deliverAllWhenReadable(subject.queue, events, "after a wait")
            }
        }
    }

    private func deliverAllWhenReadable(
        _ queue: BlockQueue, _ events: EventSet, _ what: String, line: UInt = #line
    ) throws {
        while queue.outstanding > 0 {
            guard events.wait() != nil else {
                XCTFail("\(what): not readable, \(queue.outstanding) outstanding", line: line)
                try queue.finish()
                throw Stuck(outstanding: 0)
            }
            queue.poll()
        }
        try assertGoesQuiet(queue, events, line: line)
    }

    /// An announcement may come after what it announces has been polled, but no more than that.
    private func assertGoesQuiet(
        _ queue: BlockQueue, _ events: EventSet, line: UInt = #line
    ) throws {
        try eventually("the descriptor is quiet") {
            if events.isReadable { XCTAssertEqual(queue.poll(), 0, line: line) }
            return !events.isReadable
        }
    }
}
