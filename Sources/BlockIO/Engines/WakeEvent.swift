package import BlockHost

/// A way to wake an engine from any thread: its wait ends and its descriptor becomes readable.
package enum WakeEvent {
    /// An eventfd(2), which the engine or the kernel signals too, but in another way.
    case event(Event)
    /// That of a thread pool, whose owner sleeps on a futex(2).
    case pool(ThreadPool)

    package func signal() {
        switch self {
        case .event(let event): event.wake()
        case .pool(let pool): pool.wake()
        }
    }

    /// The same, by the thread that uses the engine.
    func signalToSelf() {
        switch self {
        case .event(let event): event.wake()
        case .pool(let pool): pool.remindOwner()
        }
    }
}

extension ThreadPool {
    /// Makes the descriptor readable until the next `collect`, for the owner by itself. Other than `wake` it says
    /// nothing of other threads, which may interrupt a wait of the owner.
    fileprivate func remindOwner() {
        lock.lock()
        state.pointee.isWoken = true
        signalDescriptor()
        lock.unlock()
    }
}
