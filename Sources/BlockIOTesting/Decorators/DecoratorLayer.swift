import BlockIO
import Glibc

/// What other threads reach of a decorator over an open engine.
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
        let timer = Unmanaged.passRetained(Timer(self, nanoseconds))
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Timer>.fromOpaque(context!).takeRetainedValue().run()
                return nil
            }, timer.toOpaque())
        if error == 0 { pthread_detach(thread) } else { timer.release() }
    }

    /// A thread that sleeps and then wakes an engine.
    private final class Timer {
        let layer: DecoratorLayer
        let nanoseconds: UInt64

        init(_ layer: DecoratorLayer, _ nanoseconds: UInt64) {
            self.layer = layer
            self.nanoseconds = nanoseconds
        }

        func run() {
            var span = timespec(
                tv_sec: Int(nanoseconds / 1_000_000_000),
                tv_nsec: Int(nanoseconds % 1_000_000_000))
            nanosleep(&span, nil)
            layer.wake()
        }
    }
}
