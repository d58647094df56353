import Dispatch
import Foundation

/// A thread that runs a closure, and that can be waited for.
final class TestThread: Sendable {
    private let end = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void) {
        Thread.detachNewThread { [end] in
            body()
            end.signal()
        }
    }

    /// Waits until the closure has returned. Once.
    func join() { end.wait() }
}
