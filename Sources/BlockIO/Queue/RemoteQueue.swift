/// What other threads may ask of a queue with ``QueueThreading/owned``. A call leaves a message for the
/// owner and wakes it. The owner acts on the message in ``BlockQueue/poll(minimum:timeout:_:)``, in which it
/// may be waiting.
public struct RemoteQueue: Sendable {
    let mailbox: Mailbox

    /// Asks for a request to complete early, as ``BlockQueue/cancel(_:)`` does.
    public func cancel(_ request: RequestID) { mailbox.post(.cancel(request)) }

    /// Closes the queue once the requests under way have completed and been delivered. A request that is
    /// made meanwhile completes with ``BlockError/Code/closed``.
    public func close() { mailbox.post(.close) }
}
