/// How the callers of a queue share it.
public enum QueueThreading: Sendable, Hashable {
    /// One thread submits and waits: the first that submits or polls. io_uring then uses flags
    /// that are faster and that the kernel enforces. Using the queue from another thread is a
    /// broken contract: on every engine it stops the program with a message.
    case owned
    /// Callers synchronise themselves: any thread, but one at a time, as under a device's lock.
    /// Requests complete although the submitting thread does something else, and another thread
    /// sleeps on ``BlockQueue/descriptor`` without the lock.
    ///
    /// With io_uring the kernel completes requests in the thread that submitted them. System calls in
    /// which that thread sleeps, such as epoll_wait(2) and nanosleep(2), then return EINTR about once for
    /// each completion (signal(7), "Interruption of system calls"), and have to be made again.
    case shared
}
