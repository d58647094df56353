// What explorations look at while no thread runs that uses the queue.
extension BlockQueue {
    /// Completions that ``poll(minimum:timeout:_:)`` would deliver without another look at the engine.
    package var deliverable: Int { core.pointee.completed.count }

    /// The requests that the engine has not taken.
    package var pendingRequests: RequestFIFO { core.pointee.pending }

    /// `nil` when the queue has no thread pool of its own, or is closed.
    package var threadPool: ThreadPool? {
        guard !isClosed, case .pool(let pool) = core.pointee.engine.wakeEvent else { return nil }
        return pool
    }
}

extension RequestPointer {
    /// It is marked as in the queue's list for the engine.
    package var isPending: Bool { pointee.cSubmission.is_pending }

    /// It is marked as in a thread pool's list for a thread.
    package var isQueued: Bool { pointee.cSubmission.is_queued }
}

extension RemoteQueue {
    /// Ends a wait of the owner, as ``AsyncBlockImage`` does.
    package func wake() { mailbox.wakeOwner() }
}
