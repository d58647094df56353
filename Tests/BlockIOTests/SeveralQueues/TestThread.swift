import Dispatch
import Foundation
@testable import TestSupport

/// A thread that runs a closure, and that can be waited for.
final class TestThread: Sendable {
    private let end = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void) {
        let work = Locked<(@Sendable () -> Void)?>(body)
        Thread.detachNewThread { [end] in
            Self.runOnce(work)
            end.signal()
        }
    }

    /// Runs the closure and releases it with everything that it refers to, such as an image, whose lock would be in
    /// the way of the next one.
    private static func runOnce(_ work: Locked<(@Sendable () -> Void)?>) {
        let body = work.withLock { body in
            defer { body = nil }
            return body
        }
        body?()
    }

    /// Waits until the closure has returned. Once.
    func join() { end.wait() }
}
