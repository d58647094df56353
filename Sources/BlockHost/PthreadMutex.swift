import Glibc

/// A pthread mutex at an address that stays.
///
/// `Synchronization.Mutex` would do but for the thread sanitizer, which does not see through its
/// futex and reports races that are none.
@usableFromInline package struct PthreadMutex: ~Copyable, @unchecked Sendable {
    @usableFromInline let raw: UnsafeMutablePointer<pthread_mutex_t>

    /// A mutex that nobody holds.
    package init() {
        raw = .allocate(capacity: 1)
        raw.initialize(to: pthread_mutex_t())
        // Held for a few instructions at a time: one who finds it taken spins a little before it sleeps.
        var attributes = pthread_mutexattr_t()
        pthread_mutexattr_init(&attributes)
        pthread_mutexattr_settype(&attributes, CInt(PTHREAD_MUTEX_ADAPTIVE_NP))
        pthread_mutex_init(raw, &attributes)
        pthread_mutexattr_destroy(&attributes)
    }

    deinit {
        pthread_mutex_destroy(raw)
        raw.deallocate()
    }

    /// Waits until this thread holds it. A thread that holds it already waits for ever.
    @inlinable package func lock() { pthread_mutex_lock(raw) }

    /// Gives it up; for the thread that holds it.
    @inlinable package func unlock() { pthread_mutex_unlock(raw) }
}
