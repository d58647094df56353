import Foundation

/// A thread that can be waited for.
final class Worker: Sendable {
    private let ended = DispatchSemaphore(value: 0)

    /// Starts the thread.
    init(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread { [ended] in
            body()
            ended.signal()
        }
        thread.start()
    }

    /// Waits for its end; to be called once.
    func join() { ended.wait() }
}
