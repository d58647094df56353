import Synchronization

/// Guest memory that this process does not have: somebody else gives its bytes out and takes them when
/// asked, and answers later.
///
/// Transfers reach it, by way of a bounce buffer (``DMAStep/wait`` until the answers have come); what
/// cannot wait, such as ``AddressSpace/read(at:into:)``, does not.
public protocol RemoteMemory: AnyObject, Sendable {
    /// How many bytes one request may have, 1 or more.
    var maximumTransfer: Int { get }
    /// Asks for the bytes from `offset` on. `buffer` is there until the answer, which comes exactly
    /// once, at once or later, from any thread.
    func read(offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer)
    /// Asks for `buffer` to be written from `offset` on, under the same rules.
    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer)
}

/// Where a ``RemoteMemory`` answers: all requests that a transfer has made together. When the last is
/// answered, the mapper's `wake` is called, and `resume` goes on with the transfer.
///
/// Any thread may answer, several at once, and while the mapper is being used.
public final class RemoteAnswer: Sendable {
    /// Requests without an answer, and 1 for the transfer while it makes requests: whoever takes the
    /// last 1 away is the one that sees the end.
    private let outstanding = Atomic<Int>(0)
    private let failed = Atomic<Bool>(false)
    /// The last has been answered, after the transfer had begun to wait. On the thread that answered.
    private let completed: @Sendable () -> Void

    init(completed: @escaping @Sendable () -> Void) { self.completed = completed }

    /// One request has ended. What the request has put into its buffer before is there for the transfer.
    public func ended(isSuccess: Bool) {
        if !isSuccess { failed.store(true, ordering: .relaxed) }
        if takeAway() == 0 { completed() }
    }

    /// Whether one of the requests has failed; all have been answered.
    var hasFailed: Bool { failed.load(ordering: .relaxed) }

    /// Requests will be made.
    func begin() {
        failed.store(false, ordering: .relaxed)
        outstanding.store(1, ordering: .relaxed)
    }

    /// All requests have been made; true when some are not answered yet. Then ``completed`` is called.
    func isWaiting() -> Bool { takeAway() > 0 }

    private func takeAway() -> Int {
        let left = outstanding.subtract(1, ordering: .acquiringAndReleasing).newValue
        precondition(left >= 0, "a request of a transfer is answered twice")
        return left
    }

    func read(
        _ memory: any RemoteMemory, offset: UInt64, into buffer: UnsafeMutableRawPointer, count: Int
    ) {
        forEachRequest(count, memory) { start, length in
            memory.read(
                offset: offset &+ UInt64(start),
                into: UnsafeMutableRawBufferPointer(start: buffer + start, count: length), self)
        }
    }

    func write(
        _ memory: any RemoteMemory, offset: UInt64, from buffer: UnsafeRawPointer, count: Int
    ) {
        forEachRequest(count, memory) { start, length in
            memory.write(
                offset: offset &+ UInt64(start),
                from: UnsafeRawBufferPointer(start: buffer + start, count: length), self)
        }
    }

    /// Cuts `count` bytes into requests that are not too large, and counts each before it is made.
    private func forEachRequest(
        _ count: Int, _ memory: any RemoteMemory, _ make: (_ start: Int, _ length: Int) -> Void
    ) {
        var done = 0
        while done < count {
            let length = min(count - done, max(1, memory.maximumTransfer))
            outstanding.add(1, ordering: .relaxed)
            make(done, length)
            done += length
        }
    }
}
