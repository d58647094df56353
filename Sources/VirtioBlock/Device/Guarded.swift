import BlockHost

/// A value behind a lock. Not `Synchronization.Mutex`, because the thread sanitizer does not understand its
/// futex, and reports data races that do not exist.
///
/// `@unchecked`: the value is reached only with the lock held.
struct Guarded<Value>: ~Copyable, @unchecked Sendable {
    private let mutex = PthreadMutex()
    private let value: StablePointer<Value>

    init(_ value: Value) { self.value = StablePointer(allocating: value) }

    // Nothing else has a copy of the pointer.
    deinit { unsafe value.destroy() }

    /// Calls `body` with the value, one thread at a time.
    func withLock<Result, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        mutex.lock()
        defer { mutex.unlock() }
        return try body(&value.pointee)
    }
}
