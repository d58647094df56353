/// Guest memory that this process does not have: somebody else gives its bytes out and takes them when
/// asked, and answers later.
///
/// Transfers reach it, by way of a bounce buffer (``DMAStep/wait`` until the answers have come); what
/// cannot wait, such as ``AddressSpace/read(at:into:)``, does not.
public protocol RemoteMemory: AnyObject, Sendable {
    /// How many bytes one request may have, 1 or more.
    var maximumTransfer: Int { get }
    /// Asks for the bytes from `offset` on. `buffer` is there until the answer, which comes exactly
    /// once, at once or later, under the same synchronisation as everything that the mapper is used
    /// with.
    func read(offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer)
    /// Asks for `buffer` to be written from `offset` on, under the same rules.
    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer)
}

/// Where a ``RemoteMemory`` answers: all requests that a transfer has made together. When the last is
/// answered, the mapper's `wake` is called, and `resume` goes on with the transfer.
public final class RemoteAnswer: @unchecked Sendable {
    private(set) var outstanding = 0
    private(set) var hasFailed = false
    /// No more requests are being made: the last answer is the last.
    private var isComplete = false
    /// The last has been answered, after the transfer had begun to wait.
    private let completed: () -> Void

    init(completed: @escaping () -> Void) { self.completed = completed }

    /// One request has ended.
    public func ended(isSuccess: Bool) {
        outstanding -= 1
        if !isSuccess { hasFailed = true }
        if outstanding == 0 && isComplete { completed() }
    }

    /// Requests will be made.
    func begin() {
        hasFailed = false
        isComplete = false
    }

    func read(
        _ memory: any RemoteMemory, offset: UInt64, into buffer: UnsafeMutableRawPointer, count: Int
    ) {
        var done = 0
        while done < count {
            let length = min(count - done, max(1, memory.maximumTransfer))
            outstanding += 1
            memory.read(
                offset: offset &+ UInt64(done),
                into: UnsafeMutableRawBufferPointer(start: buffer + done, count: length), self)
            done += length
        }
    }

    func write(
        _ memory: any RemoteMemory, offset: UInt64, from buffer: UnsafeRawPointer, count: Int
    ) {
        var done = 0
        while done < count {
            let length = min(count - done, max(1, memory.maximumTransfer))
            outstanding += 1
            memory.write(
                offset: offset &+ UInt64(done),
                from: UnsafeRawBufferPointer(start: buffer + done, count: length), self)
            done += length
        }
    }

    /// All requests have been made; true when some are not answered yet.
    func isWaiting() -> Bool {
        isComplete = true
        return outstanding > 0
    }
}
