import Glibc

/// A pthread condition variable at an address that stays.
package struct PthreadCondition: ~Copyable, @unchecked Sendable {
    private let raw: UnsafeMutablePointer<pthread_cond_t>

    package init() {
        raw = .allocate(capacity: 1)
        raw.initialize(to: pthread_cond_t())
        pthread_cond_init(raw, nil)
    }

    deinit {
        pthread_cond_destroy(raw)
        raw.deallocate()
    }

    /// Wakes one of the threads that wait.
    package func signal() { pthread_cond_signal(raw) }

    /// Gives up the mutex, waits for a signal, and takes the mutex again. It may return without a signal.
    package func wait(_ mutex: borrowing PthreadMutex) { pthread_cond_wait(raw, mutex.raw) }
}
