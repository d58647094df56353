import CBlockIO

/// A way to wake an engine from any thread: its wait ends and its descriptor becomes readable.
enum WakeEvent {
    /// An eventfd(2) that the engine's ring polls, and one that the owner may watch (-1: none).
    case descriptors(CInt, CInt)
    case pool(ThreadPool)

    func signal() {
        switch self {
        case .descriptors(let ring, let owner):
            cbio_eventfd_signal(ring)
            if owner >= 0 { cbio_eventfd_signal(owner) }
        case .pool(let pool): pool.wake()
        }
    }
}
