/// What other threads may ask of a queue with ``QueueThreading/owned``: the wish is left for the
/// owner, who is woken and acts on it at the next ``BlockQueue/poll(minimum:timeout:_:)``, which it
/// may be waiting in.
public struct RemoteQueue: Sendable {
    let mailbox: Mailbox

    /// ``BlockQueue/cancel(_:)``.
    public func cancel(_ request: RequestID) { mailbox.post(.cancel(request)) }

    /// No more requests are taken; when those under way have ended and been collected the queue is
    /// closed.
    public func close() { mailbox.post(.close) }
}
