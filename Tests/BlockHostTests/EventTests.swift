import BlockHost
import Glibc
import XCTest
@testable import TestSupport

final class EventTests: XCTestCase {
    func testItIsReadableFromASignalToTheNextClear() throws {
        let event = try Event()
        defer { event.close() }
        XCTAssertEqual(event.wait(.nanoseconds(0)), .timedOut)
        event.signal()
        event.signal()
        XCTAssertEqual(event.wait(.forever), .readable)
        XCTAssertEqual(event.wait(.nanoseconds(0)), .readable)
        event.clear()
        XCTAssertEqual(event.wait(.nanoseconds(1_000_000)), .timedOut)
        // A clear of one that is quiet does not wait.
        event.clear()
        XCTAssertEqual(event.wait(.nanoseconds(0)), .timedOut)
    }

    func testAnotherThreadEndsTheWait() throws {
        let event = try Event()
        defer { event.close() }
        let hasSignalled = Locked(false)
        try HostThread.start(named: "signaller", stackSize: HostThread.smallStack) {
            event.signal()
            hasSignalled.withLock { $0 = true }
        }
        XCTAssertEqual(event.wait(.forever), .readable)
        try eventually("the thread has ended") { hasSignalled.withLock { $0 } }
    }

    func testASignalHandlerEndsTheWait() throws {
        let event = try Event()
        defer { event.close() }
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        var former = sigaction()
        sigaction(SIGUSR1, &action, &former)
        defer { sigaction(SIGUSR1, &former, nil) }
        let waiter = UInt(pthread_self())
        let (isAwake, hasEnded) = (Locked(false), Locked(false))
        try HostThread.start(named: "interrupter", stackSize: HostThread.smallStack) {
            while !isAwake.withLock({ $0 }) {
                pthread_kill(pthread_t(waiter), SIGUSR1)
                usleep(1000)
            }
            hasEnded.withLock { $0 = true }
        }
        let end = event.wait(.forever)
        isAwake.withLock { $0 = true }
        try eventually("nobody interrupts any more") { hasEnded.withLock { $0 } }
        XCTAssertEqual(end, .interrupted)
    }

    func testAWakeIsToldFromSignals() throws {
        let event = try Event()
        defer { event.close() }
        XCTAssertFalse(event.take())
        for _ in 0..<1000 { event.signal() }
        XCTAssertFalse(event.take())
        XCTAssertEqual(event.wait(.nanoseconds(0)), .timedOut)
        event.signal()
        event.wake()
        event.signal()
        XCTAssertEqual(event.wait(.nanoseconds(0)), .readable)
        XCTAssertTrue(event.take())
        XCTAssertFalse(event.take())
        XCTAssertEqual(event.wait(.nanoseconds(0)), .timedOut)
    }
}
