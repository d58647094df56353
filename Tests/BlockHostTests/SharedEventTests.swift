import BlockHost
import CTestSupport
import Glibc
import XCTest

@testable import TestSupport

final class SharedEventTests: XCTestCase {
    func testSignalsAreCounted() throws {
        let event = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
        XCTAssertEqual(SharedEvent.prepare(event.raw), 0)
        for _ in 0..<1000 { XCTAssertTrue(SharedEvent.signal(event.raw)) }
        var count: UInt64 = 0
        XCTAssertEqual(read(event.raw, &count, 8), 8)
        XCTAssertEqual(count, 1000)
        XCTAssertFalse(SharedEvent.take(event.raw))
        var most = UInt64.max - 1
        XCTAssertEqual(write(event.raw, &most, 8), 8)
        XCTAssertFalse(SharedEvent.signal(event.raw))
        XCTAssertEqual(read(event.raw, &count, 8), 8)
        XCTAssertEqual(count, most)
        XCTAssertFalse(SharedEvent.signal(-1))
    }

    /// Something else could make a reader or a writer wait, and is left as it is.
    func testWhatIsNoEvent() throws {
        let pipe = try Descriptor.pipe()
        let set = Descriptor(try EpollSet().descriptor)
        for descriptor in [pipe.reading.raw, pipe.writing.raw, set.raw] {
            let flags = fcntl(descriptor, F_GETFL)
            XCTAssertEqual(SharedEvent.prepare(descriptor), EINVAL)
            XCTAssertEqual(fcntl(descriptor, F_GETFL), flags)
        }
        XCTAssertEqual(SharedEvent.prepare(-1), EBADF)
    }

    /// An event of another process may be one that waits.
    func testAnEventDoesNotWaitAnyMore() throws {
        let event = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
        XCTAssertEqual(fcntl(event.raw, F_SETFL, 0), 0)
        XCTAssertEqual(SharedEvent.prepare(event.raw), 0)
        XCTAssertNotEqual(fcntl(event.raw, F_GETFL) & O_NONBLOCK, 0)
    }

    /// Another process makes the event a blocking one, and takes the last room in it at any moment.
    func testASignalNeverWaits() throws {
        let event = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
        let raw = event.raw
        XCTAssertEqual(SharedEvent.prepare(raw), 0)
        let (mustEnd, hasEnded, signals) = (Locked(false), Locked(false), Locked(0))
        try HostThread.start(named: "signaller", stackSize: HostThread.smallStack) {
            while !mustEnd.withLock({ $0 }) {
                SharedEvent.signal(raw)
                signals.withLock { $0 += 1 }
            }
            hasEnded.withLock { $0 = true }
        }
        let filler = try EventFiller(raw, adding: 1)
        defer {
            mustEnd.withLock { $0 = true }
            XCTAssertNoThrow(try filler.end())
            XCTAssertNoThrow(
                try eventually("the signaller has ended") {
                    _ = SharedEvent.take(raw)
                    return hasEnded.withLock { $0 }
                })
        }
        for _ in 0..<500 {
            _ = SharedEvent.take(raw)
            // This thread does not wait when the others were faster.
            var nearlyFull = UInt64.max - 200
            XCTAssertEqual(fcntl(raw, F_SETFL, O_NONBLOCK), 0)
            _ = write(raw, &nearlyFull, 8)
            XCTAssertEqual(fcntl(raw, F_SETFL, 0), 0)
            usleep(300)
            let before = signals.withLock { $0 }
            try eventually("the signaller goes on") { signals.withLock { $0 } > before }
        }
    }
}
