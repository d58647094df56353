import BlockHost
import BlockIO
import Glibc

/// What other threads reach of a decorator over an open engine. Safe to share, although unchecked: what
/// changes is under the lock.
final class DecoratorLayer: @unchecked Sendable {
    private let lock = PthreadMutex()
    /// Under the lock; `nil` once the engine is closed.
    private var event: WakeEvent?

    init(_ event: WakeEvent) { self.event = event }

    /// Ends a wait in the engine and makes its descriptor readable.
    func wake() {
        lock.lock()
        defer { lock.unlock() }
        event?.signal()
    }

    /// The engine is going: nothing may touch its wake event any more.
    func close() {
        lock.lock()
        defer { lock.unlock() }
        event = nil
    }

    /// The same as `wake` after a while, if the engine is still there.
    func wake(after nanoseconds: UInt64) {
        // Without a thread the engine finds out when it looks next.
        try? HostThread.start(named: "blockio-delay", stackSize: HostThread.smallStack) {
            var span = timespec(
                tv_sec: Int(nanoseconds / 1_000_000_000),
                tv_nsec: Int(nanoseconds % 1_000_000_000))
            unsafe nanosleep(&span, nil)
            self.wake()
        }
    }
}
