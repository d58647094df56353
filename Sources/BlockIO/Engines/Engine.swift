package import BlockHost

/// Carries out engine submissions (``EngineSubmission``), and nothing else: range, alignment, pieces, retries
/// and statistics are the queue's.
///
/// An engine is used by one thread at a time, the queue's; what other threads find out for it becomes visible
/// in `reap`. What the engine is asked to do for a request is in `IORequest.submission`, which does not change
/// while the engine has the request. The engine writes its answer, the bytes moved or -errno, to
/// `IORequest.result`, and puts the request into `answered` once. The address of a request stays the same and may be the tag of whatever the
/// engine asks.
///
/// The local engines are reached through ``ActiveEngine``, whose one `switch` a batch costs less than
/// a call through an existential; all others through ``OpenEngine``.
package protocol Engine: ~Copyable {
    /// Gives requests to the kernel (or to threads) from the head of `pending`, in order and as
    /// many as there is room for (`RequestFIFO.takeFirst`); what it cannot take stays in `pending`. What the kernel refuses
    /// outright goes to `answered` with its -errno. An engine whose kernel queue has no resources for a
    /// request carries it out by other means.
    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO)

    /// Submits as `submit` does, in the same system call where there is one, and then moves the requests that
    /// have been carried out to `answered`. When there are any, or any was refused, it returns without
    /// waiting, because other requests may wait for them. Otherwise, with a `minimum` above 0, it waits until
    /// that number of requests in flight have been carried out (all, when there are fewer), the limit has
    /// passed, a signal came or it is woken; also when nothing is in flight. It may return with fewer for
    /// reasons of its own. The caller checks and calls again.
    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd

    /// Tries to stop a request that was submitted. `reap` answers it all the same, with ECANCELED or as if
    /// this had not been called.
    mutating func cancel(_ request: RequestPointer)

    /// The number of requests that the kernel or a thread works on: `reap` will answer them without another
    /// call.
    var inFlight: Int { get }

    /// Readable, for epoll, when `reap` has something to answer, after a wake, and when there is something for
    /// the owner to do; -1 when the queue was opened without one.
    var descriptor: CInt { get }

    /// Ends a wait and makes the descriptor readable until the next `reap`, from any thread.
    var wakeEvent: WakeEvent { get }

    /// From now on other threads may use `wakeEvent`. Before that only the thread that uses the engine does,
    /// and no wait need end because of it.
    mutating func openToWakes()

    /// Whether anybody watches `descriptor`; true at first. While nobody does, the descriptor may be readable
    /// without cause or quiet in spite of one, which can save system calls; `reap` finds all the same. When
    /// somebody watches again, it tells the truth from the next `reap` on.
    mutating func setDescriptorWatched(_ isWatched: Bool)

    /// Requests that had been carried out when `submit` returned.
    var inlineCompletions: UInt64 { get }

    /// Requests that the polling thread carried out because no thread could be created.
    var pollerOperations: UInt64 { get }

    /// Frees what the engine holds. Nothing may be in flight.
    mutating func shutDown()
}

extension Engine where Self: ~Copyable {
    package mutating func openToWakes() {}
    package mutating func setDescriptorWatched(_ isWatched: Bool) {}
    package var inlineCompletions: UInt64 { 0 }
    package var pollerOperations: UInt64 { 0 }
}
