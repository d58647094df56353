import Glibc

/// A pthread mutex at an address that stays.
///
/// `Synchronization.Mutex` would do but for the thread sanitizer, which does not see through its
/// futex and reports races that are none.
package struct PthreadMutex: ~Copyable {
    fileprivate let raw: UnsafeMutablePointer<pthread_mutex_t>

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

    package func lock() { pthread_mutex_lock(raw) }
    package func unlock() { pthread_mutex_unlock(raw) }
}

/// A pthread condition variable at an address that stays, timed by CLOCK_MONOTONIC.
struct PthreadCondition: ~Copyable {
    private let raw: UnsafeMutablePointer<pthread_cond_t>

    init() {
        raw = .allocate(capacity: 1)
        raw.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(raw, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(raw)
        raw.deallocate()
    }

    func signal() { pthread_cond_signal(raw) }

    /// Waits for a signal until `deadline`, `nil` for ever; false when that has passed.
    func wait(_ mutex: borrowing PthreadMutex, until deadline: timespec?) -> Bool {
        guard var deadline else { return pthread_cond_wait(raw, mutex.raw) == 0 }
        return pthread_cond_timedwait(raw, mutex.raw, &deadline) == 0
    }
}
