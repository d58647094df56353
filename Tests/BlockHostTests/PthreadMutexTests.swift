import BlockHost
import Glibc
import XCTest
@testable import TestSupport

final class PthreadMutexTests: XCTestCase {
    /// A number behind a mutex, and whether somebody is changing it.
    private final class Counter: @unchecked Sendable {
        let mutex = PthreadMutex()
        let ended = PthreadCondition()
        var count = 0
        var isBusy = false
        var overlaps = 0
        var running = 0

        func add() {
            mutex.lock()
            if isBusy { overlaps += 1 }
            isBusy = true
            count += 1
            isBusy = false
            mutex.unlock()
        }
    }

    func testOneThreadAtATimeHoldsIt() throws {
        let counter = Counter()
        let (threads, rounds) = (4, 20_000)
        counter.running = threads
        for _ in 0..<threads {
            try HostThread.start(named: "counter", stackSize: HostThread.smallStack) {
                for _ in 0..<rounds { counter.add() }
                counter.mutex.lock()
                counter.running -= 1
                counter.ended.signal()
                counter.mutex.unlock()
            }
        }
        counter.mutex.lock()
        while counter.running > 0 { counter.ended.wait(counter.mutex) }
        counter.mutex.unlock()
        XCTAssertEqual(counter.count, threads * rounds)
        XCTAssertEqual(counter.overlaps, 0)
    }

    /// A wait gives the mutex up, or the other thread could never take it to signal.
    func testAWaitGivesTheMutexUp() throws {
        let counter = Counter()
        counter.running = 1
        counter.mutex.lock()
        try HostThread.start(named: "signaller", stackSize: HostThread.smallStack) {
            counter.mutex.lock()
            counter.running = 0
            counter.ended.signal()
            counter.mutex.unlock()
        }
        while counter.running > 0 { counter.ended.wait(counter.mutex) }
        counter.mutex.unlock()
        XCTAssertEqual(counter.running, 0)
    }
}
