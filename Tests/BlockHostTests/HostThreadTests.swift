import BlockHost
import CTestSupport
import Glibc
import XCTest
@testable import TestSupport

final class HostThreadTests: XCTestCase {
    private static let synchronous = [SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP]

    /// What a thread answers.
    private func onThread<Value: Sendable>(
        named name: StaticString = "answerer", stackSize: Int = HostThread.smallStack,
        _ body: @escaping @Sendable () -> Value
    ) throws -> Value {
        let answer = Locked<Value?>(nil)
        try HostThread.start(named: name, stackSize: stackSize) {
            let value = body()
            answer.withLock { $0 = value }
        }
        try eventually("the thread has answered") { answer.withLock { $0 != nil } }
        return try XCTUnwrap(answer.withLock { $0 })
    }

    private static func blockedSignals() -> Set<CInt> {
        var mask = sigset_t()
        pthread_sigmask(SIG_SETMASK, nil, &mask)
        return Set((1...64).filter { sigismember(&mask, $0) == 1 })
    }

    /// All that can be blocked, but for what a fault of the thread itself raises.
    func testOnlySynchronousSignalsReachAThread() throws {
        let before = Self.blockedSignals()
        let blocked = try onThread { Self.blockedSignals() }
        // 32 and 33 are the C library's own (nptl(7)).
        let expected = Set(1...64)
            .subtracting([SIGKILL, SIGSTOP, 32, 33]).subtracting(Self.synchronous)
        XCTAssertEqual(blocked.subtracting([32, 33]), expected)
        XCTAssertEqual(Self.blockedSignals(), before, "of the thread that started it")
    }

    /// A thread with SIGBUS blocked would end the process here.
    func testAThreadOutlivesMemoryThatIsGone() throws {
        try MemoryWatch.catchTruncation()
        let outcome = try onThread { () -> VolatileMemory.Outcome? in
            guard let lost = try? LostMemory(size: 2 * 4096, kept: 4096) else { return nil }
            var byte: UInt8 = 0
            return VolatileMemory.copy(to: &byte, from: lost.base + 4096, count: 1)
        }
        XCTAssertEqual(outcome, VolatileMemory.Outcome.lost)
    }

    func testItsName() throws {
        let name = try onThread(named: "fifteen-letters") {
            ProcFile.firstLine(of: "/proc/thread-self/comm")
        }
        XCTAssertEqual(name, "fifteen-letters")
    }

    func testItsStack() throws {
        for size in [HostThread.smallStack, 0] {
            let found = try onThread(stackSize: size) { cts_stack_size() }
            if size > 0 {
                XCTAssertEqual(found, size)
            } else {
                XCTAssertGreaterThan(found, HostThread.smallStack)
            }
        }
    }

    func testAThreadThatCannotBeHadIsAnError() {
        let wasRun = Locked(false)
        XCTAssertThrowsError(
            try HostThread.start(named: "none", stackSize: 1 << 50) {
                wasRun.withLock { $0 = true }
            }
        ) { error in
            XCTAssertEqual(error as? SystemCallError, SystemCallError("pthread_create(3)", EAGAIN))
        }
        XCTAssertFalse(wasRun.withLock { $0 })
    }

    func testThreadsHaveNumbersOfTheirOwn() throws {
        let own = HostThread.number
        XCTAssertEqual(HostThread.number, own)
        var seen: Set<UInt> = [own]
        for _ in 0..<20 {
            let number = try onThread { HostThread.number }
            XCTAssert(seen.insert(number).inserted, "\(number) again")
        }
    }
}
