import BlockHost

/// Moves bytes and syncs, and nothing else: range, alignment, pieces, retries and statistics are
/// the queue's.
///
/// An engine is used by one thread at a time, the queue's; what other threads find out for it becomes visible
/// in `reap`. What a request asks for is in `IORequest.engine`, and stays as it is while the engine has the
/// request. The engine leaves its answer in `IORequest.result`, the bytes moved or -errno, and puts the
/// request into `finished`, once. The address of a request stays the same and may be the tag of whatever the
/// engine asks.
///
/// The local engines are reached through ``ActiveEngine``, whose one `switch` a batch costs less than
/// a call through an existential; all others through ``OpenEngine``.
package protocol Engine: ~Copyable {
    /// Gives requests to the kernel (or to threads) from the head of `pending`, in order and as
    /// many as there is room for (`RequestFIFO.takeFirst`); what it cannot take stays in `pending`. What the kernel refuses
    /// outright goes to `finished` with its -errno. While the system has no resources for what waits, a
    /// timer makes the descriptor readable, so that the next `reap` tries again.
    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO)

    /// Submits like `submit`, in the same system call where there is one, then moves what has
    /// ended to `finished`. When anything has ended or was refused it returns without waiting, since that
    /// may be what other requests wait for. Otherwise, with a `minimum` above 0, it waits until so
    /// many of those in flight have ended (all, when there are fewer), the limit has passed, a
    /// signal came or it is woken; also when nothing is in flight. It may come back with fewer for
    /// reasons of its own; the caller looks and asks again.
    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd

    /// Tries to end a request early that was submitted. It comes back from `reap` all the same,
    /// with ECANCELED or as if nothing had been asked.
    mutating func cancel(_ request: RequestPointer)

    /// Requests that the kernel or a thread has and has not ended: more will come from `reap` without
    /// anybody's help.
    var inFlight: Int { get }

    /// Readable, for epoll, when something has ended, after a wake, and when there is something for the
    /// owner to do; -1 when the queue was opened without one.
    var descriptor: CInt { get }

    /// Ends a wait and makes the descriptor readable until the next `reap`, from any thread.
    var wakeEvent: WakeEvent { get }

    /// Requests that were done when they had been submitted.
    var inlineCompletions: UInt64 { get }

    /// Operations that the polling thread performed because no thread could be created.
    var pollerOperations: UInt64 { get }

    /// Frees what the engine holds. Nothing may be in flight.
    mutating func shutDown()
}

extension Engine where Self: ~Copyable {
    package var inlineCompletions: UInt64 { 0 }
    package var pollerOperations: UInt64 { 0 }
}
