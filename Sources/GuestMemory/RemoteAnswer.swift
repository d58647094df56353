import Synchronization

/// Counts the requests that a transfer has made of ``RemoteMemory`` together. When the last of them
/// completes, the mapper's `wake` is called, and ``DMAMapper/resume(_:)`` continues the transfer.
///
/// Requests may complete on any thread, several at the same time, and while the mapper is in use.
public final class RemoteAnswer: Sendable {
    /// Requests that have not completed, plus 1 while the transfer still makes requests. The thread
    /// that subtracts the last 1 knows that all requests have completed.
    private let outstanding = Atomic<Int>(0)
    private let failed = Atomic<Bool>(false)
    /// Called when the last request completes after the transfer has begun to wait, on the thread
    /// that completes it.
    private let allCompleted: @Sendable () -> Void

    init(allCompleted: @escaping @Sendable () -> Void) { self.allCompleted = allCompleted }

    /// Completes one request. The transfer sees what was written to the request's buffer before
    /// this call.
    public func requestCompleted(isSuccess: Bool) {
        if !isSuccess { failed.store(true, ordering: .relaxed) }
        if subtractOne() == 0 { allCompleted() }
    }

    /// Whether a request has failed. Valid when all requests have completed.
    var hasFailed: Bool { failed.load(ordering: .relaxed) }

    /// The transfer begins to make requests.
    func beginRequests() {
        failed.store(false, ordering: .relaxed)
        outstanding.store(1, ordering: .relaxed)
    }

    /// The transfer has made its last request. Returns whether a request has not completed yet;
    /// then `allCompleted` will be called.
    func endRequests() -> Bool { subtractOne() > 0 }

    private func subtractOne() -> Int {
        let left = outstanding.subtract(1, ordering: .acquiringAndReleasing).newValue
        precondition(left >= 0, "a request to remote memory completed twice")
        return left
    }

    /// Makes the requests that move `count` bytes between `buffer` and `memory`, from byte `offset`
    /// of the memory on. `toDevice` reads the memory, `fromDevice` writes it. No request is larger
    /// than ``RemoteMemory/maximumTransfer``.
    func request(
        _ direction: DMADirection, _ memory: any RemoteMemory, offset: UInt64,
        _ buffer: UnsafeMutableRawPointer, count: Int
    ) {
        let largest = max(1, memory.maximumTransfer)
        var done = 0
        while done < count {
            let part = unsafe UnsafeMutableRawBufferPointer(
                start: buffer + done, count: min(count - done, largest))
            let place = offset &+ UInt64(done)
            // Before the request is made: it may complete at once.
            outstanding.add(1, ordering: .relaxed)
            switch direction {
            case .toDevice: unsafe memory.read(offset: place, into: part, self)
            case .fromDevice:
                unsafe memory.write(offset: place, from: UnsafeRawBufferPointer(part), self)
            }
            done += part.count
        }
    }
}
