import Glibc

// @safe: the object lives as long as the value, which cannot be copied.
/// A pthread condition variable whose address does not change.
///
/// `@unchecked`: pthread functions may be called on it by any thread, and the pointer is constant.
@safe package struct PthreadCondition: ~Copyable, @unchecked Sendable {
    private let raw: UnsafeMutablePointer<pthread_cond_t>

    package init() {
        unsafe raw = .allocate(capacity: 1)
        unsafe raw.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(raw, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(raw)
        unsafe raw.deallocate()
    }

    /// Wakes at least one of the threads that wait, if there are any.
    package func signal() { unsafe pthread_cond_signal(raw) }

    /// Releases the mutex, waits for a signal, and locks the mutex again. It may return without a
    /// signal.
    package func wait(_ mutex: borrowing PthreadMutex) { unsafe pthread_cond_wait(raw, mutex.raw) }

    /// The same for at most `milliseconds`, below 1000. Returns false when they have passed.
    package func wait(_ mutex: borrowing PthreadMutex, milliseconds: Int) -> Bool {
        var end = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &end)
        end.tv_nsec += milliseconds * 1_000_000
        end.tv_sec += end.tv_nsec / 1_000_000_000
        end.tv_nsec %= 1_000_000_000
        return unsafe pthread_cond_timedwait(raw, mutex.raw, &end) != ETIMEDOUT
    }
}
