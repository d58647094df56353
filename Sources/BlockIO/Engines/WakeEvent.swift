import BlockHost

/// A way to wake an engine from any thread: its wait ends and its descriptor becomes readable.
enum WakeEvent {
    /// An eventfd(2) that the engine's ring polls.
    case event(Event)
    case pool(ThreadPool)

    func signal() {
        switch self {
        case .event(let event): event.signal()
        case .pool(let pool): pool.wake()
        }
    }
}
