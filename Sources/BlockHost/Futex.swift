import CBlockIO

/// A futex(2) at an address that stays: threads sleep on it while its value is the one they have seen.
///
/// Whoever has news changes the value under the lock that guards the news, and wakes the sleepers when
/// it has given the lock up, so that they do not wake to wait for it.
struct Futex: ~Copyable {
    private let word: UnsafeMutablePointer<UInt32>

    init() {
        word = .allocate(capacity: 1)
        word.initialize(to: 0)
    }

    deinit { word.deallocate() }

    var value: UInt32 { cbio_futex_read(word) }

    func advance() { cbio_futex_advance(word) }

    func wake(_ count: Int) { cbio_futex_wake(word, CInt(clamping: count)) }

    /// Sleeps while the value is `seen`, until woken or the limit has passed. 0, or -errno: EAGAIN when
    /// the value is another, ETIMEDOUT, EINTR after a signal.
    func wait(_ seen: UInt32, _ limit: WaitLimit) -> CInt {
        cbio_futex_wait(word, seen, limit.rawNanoseconds)
    }
}
