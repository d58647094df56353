import CBlockIO

/// A way to wake an engine from any thread: its wait ends and its descriptor becomes readable.
enum WakeEvent {
    /// An eventfd(2) that the engine's ring polls.
    case descriptor(CInt)
    case pool(ThreadPool)

    func signal() {
        switch self {
        case .descriptor(let descriptor): cbio_eventfd_signal(descriptor)
        case .pool(let pool): pool.wake()
        }
    }
}
