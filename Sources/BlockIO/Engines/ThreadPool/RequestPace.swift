import BlockHost

/// How long the latest transfers of a pool took, and what that says about the next one.
package struct RequestPace {
    private var quick = Streak()
    private var prompt = Streak()

    /// The image is in memory: its transfers are copies, unless the memory has been swapped out.
    let areCopies: Bool

    /// What the pool expects of the next transfer.
    enum Kind: CaseIterable {
        /// A copy of memory, of an image that is known to be in memory.
        case copy
        /// The kernel does it within the call: more threads than processors would only compete.
        case quick
        /// It sleeps in the kernel, but not for long.
        case prompt
        /// Nothing is known, or transfers take long.
        case slow
    }

    package init(areCopies: Bool = false) {
        self.areCopies = areCopies
        if areCopies { note(1, requests: Streak.long, bytes: 0) }
    }

    var kind: Kind {
        if areCopies && prompt.isLong { return .copy }
        if quick.isLong { return .quick }
        return prompt.isLong ? .prompt : .slow
    }

    /// A copy, not a device: no device answers within this time, and memory moves this many bytes in it.
    private static let quickSpan: UInt64 = 8_000
    private static let bytesPerSpan: UInt64 = 1 << 16
    /// A device without moving parts answers within this time, in nanoseconds.
    static let promptSpan: UInt64 = 2_000_000

    /// Longer than this, in nanoseconds, no transfer of a device without moving parts takes.
    private static let slowSpan = 4 * promptSpan

    /// Transfers sleep after all: what was seen before says nothing.
    mutating func forget() {
        quick = Streak()
        prompt = Streak()
    }

    /// Notes `requests` transfers of `bytes` bytes together, which took `nanoseconds` one after the other.
    package mutating func note(_ nanoseconds: UInt64, requests: Int = 1, bytes: UInt64) {
        quick.note(nanoseconds, limit: Self.quickLimit(requests, bytes), requests)
        // Not multiplied: a slow transfer among several must be seen.
        prompt.note(nanoseconds, limit: Self.promptSpan, requests)
    }

    /// Notes copies as `note` does, but for slow ones of a thread that has not slept meanwhile: it had to wait for
    /// a processor, and a processor is not what copies are slow for.
    mutating func note(
        _ nanoseconds: UInt64, requests: Int = 1, bytes: UInt64, _ sleeps: inout ThreadSleeps
    ) {
        if areCopies && nanoseconds > Self.slowSpan && !sleeps.hasSlept() { return }
        note(nanoseconds, requests: requests, bytes: bytes)
    }

    /// Notes a transfer that took at most `nanoseconds`. False, and nothing is noted, when that does not
    /// show that it was quick.
    mutating func noteQuick(atMost nanoseconds: UInt64, bytes: UInt64) -> Bool {
        guard nanoseconds < Self.quickLimit(1, bytes) else { return false }
        note(nanoseconds, bytes: bytes)
        return true
    }

    private static func quickLimit(_ requests: Int, _ bytes: UInt64) -> UInt64 {
        quickSpan &* (UInt64(requests) &+ bytes / bytesPerSpan)
    }

    /// Requests within a limit, and not one among them that took four times as long.
    private struct Streak {
        private var length = 0

        /// They are not so by chance.
        var isLong: Bool { length >= Self.long }
        static let long = 32

        mutating func note(_ nanoseconds: UInt64, limit: UInt64, _ requests: Int) {
            if nanoseconds < limit {
                length &+= requests
            } else if nanoseconds > 4 &* limit {
                length = 0
            }
        }
    }
}
