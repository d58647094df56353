import CBlockHost

// @safe: the word lives as long as the value, which cannot be copied.
/// A futex(2) whose address does not change: threads sleep on it while its value is the one that
/// they have read.
///
/// A thread with news changes the value while it holds the lock that guards the news, and wakes the
/// sleepers after it has released the lock, so that they do not have to wait for the lock.
///
/// `@unchecked`: the C module accesses the word with atomic operations only, and the pointer is
/// constant.
@safe package struct Futex: ~Copyable, @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt32>

    /// A futex whose value is 0.
    package init() {
        unsafe word = .allocate(capacity: 1)
        unsafe word.initialize(to: 0)
    }

    deinit { unsafe word.deallocate() }

    /// The value. A thread reads it before it looks for news.
    package var value: UInt32 { unsafe cblockhost_futex_read(word) }

    /// Changes the value, because there is news.
    package func advance() { unsafe cblockhost_futex_advance(word) }

    /// Wakes up to `count` sleeping threads.
    package func wake(_ count: Int) { unsafe cblockhost_futex_wake(word, CInt(clamping: count)) }

    /// Reads the value up to `rounds` times, about 50 ns apart, while it is `seen`. Whether it has changed.
    package func spin(_ seen: UInt32, rounds: Int) -> Bool {
        unsafe cblockhost_futex_spin(word, seen, CInt(clamping: rounds))
    }

    /// Sleeps while the value is `seen`, until ``wake(_:)`` or the limit. Returns 0 or -errno:
    /// EAGAIN when the value differs from `seen`, ETIMEDOUT after the limit, EINTR after a signal.
    package func wait(_ seen: UInt32, _ limit: WaitLimit) -> CInt {
        unsafe cblockhost_futex_wait(word, seen, limit.rawNanoseconds)
    }
}
