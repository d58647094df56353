import CBlockHost

/// A futex(2) at an address that stays: threads sleep on it while its value is the one they have seen.
///
/// Whoever has news changes the value under the lock that guards the news, and wakes the sleepers when
/// it has given the lock up, so that they do not wake to wait for it.
package struct Futex: ~Copyable, @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt32>

    /// A futex whose value is 0.
    package init() {
        word = .allocate(capacity: 1)
        word.initialize(to: 0)
    }

    deinit { word.deallocate() }

    /// To be read before a look at the news.
    package var value: UInt32 { cblockhost_futex_read(word) }

    /// Changes the value: there is news.
    package func advance() { cblockhost_futex_advance(word) }

    /// Wakes up to `count` of the threads that sleep.
    package func wake(_ count: Int) { cblockhost_futex_wake(word, CInt(clamping: count)) }

    /// Sleeps while the value is `seen`, until woken or the limit has passed. 0, or -errno: EAGAIN when
    /// the value is another, ETIMEDOUT, EINTR after a signal.
    package func wait(_ seen: UInt32, _ limit: WaitLimit) -> CInt {
        cblockhost_futex_wait(word, seen, limit.rawNanoseconds)
    }
}
