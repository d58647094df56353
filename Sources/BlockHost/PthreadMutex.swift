public import Glibc

// @usableFromInline: inlinable code of other targets locks it.
// @safe: the object lives as long as the value, which cannot be copied.
/// A pthread mutex whose address does not change.
///
/// `Synchronization.Mutex` is not used, because the thread sanitizer does not understand its futex
/// and reports data races that do not exist.
///
/// `@unchecked`: pthread functions may be called on the mutex by any thread, and the pointer is
/// constant.
@safe @usableFromInline package struct PthreadMutex: ~Copyable, @unchecked Sendable {
    @usableFromInline let raw: UnsafeMutablePointer<pthread_mutex_t>

    /// A mutex that no thread holds.
    package init() {
        unsafe raw = .allocate(capacity: 1)
        unsafe raw.initialize(to: pthread_mutex_t())
        // It is held for a few instructions at a time, so a thread spins a little before it sleeps.
        var attributes = pthread_mutexattr_t()
        unsafe pthread_mutexattr_init(&attributes)
        unsafe pthread_mutexattr_settype(&attributes, CInt(PTHREAD_MUTEX_ADAPTIVE_NP))
        unsafe pthread_mutex_init(raw, &attributes)
        unsafe pthread_mutexattr_destroy(&attributes)
    }

    deinit {
        unsafe pthread_mutex_destroy(raw)
        unsafe raw.deallocate()
    }

    /// Waits until this thread holds the mutex. A thread that holds it already waits for ever.
    @inlinable package func lock() { unsafe pthread_mutex_lock(raw) }

    /// Takes the mutex, if no thread holds it; false otherwise, also if this thread does.
    @inlinable package func tryLock() -> Bool { unsafe pthread_mutex_trylock(raw) == 0 }

    /// Releases the mutex. Only the thread that holds it may call this.
    @inlinable package func unlock() { unsafe pthread_mutex_unlock(raw) }
}
