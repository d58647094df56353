package import BlockHost

/// A way to wake an engine from any thread: its wait ends and its descriptor becomes readable.
package enum WakeEvent {
    /// An eventfd(2), which an engine watches beside whatever tells it that requests have been carried out.
    case event(Event)
    /// That of a thread pool, whose owner sleeps on a futex(2).
    case pool(ThreadPool)

    package func signal() {
        switch self {
        case .event(let event): event.wake()
        case .pool(let pool): pool.wake()
        }
    }
}
