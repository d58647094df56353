/// How long the latest requests took, and what that says of the next one.
struct RequestPace {
    private var quick = Streak()
    private var prompt = Streak()

    /// They are known to be copies of memory, however long they take: unless the memory has been swapped
    /// out.
    let areCopies: Bool

    init(areCopies: Bool = false) {
        self.areCopies = areCopies
        if areCopies { note(1, requests: Streak.long, bytes: 0) }
    }

    /// They do not sleep in the kernel but are done on the spot: more threads than processors would
    /// only get in each other's way.
    var isQuick: Bool { quick.isLong || areCopies && prompt.isLong }

    /// They sleep, but not for long.
    var isPrompt: Bool { prompt.isLong }

    /// A copy, not a device: no device answers within it, and memory moves so much in it.
    private static let quickSpan: UInt64 = 8_000
    private static let bytesPerSpan: UInt64 = 1 << 16
    /// What a device without moving parts answers within, with some to do.
    static let promptSpan: UInt64 = 2_000_000

    /// They sleep after all: what was seen before says nothing.
    mutating func forget() {
        quick = Streak()
        prompt = Streak()
    }

    /// So many requests, of so many bytes together, took so many nanoseconds one after the other.
    mutating func note(_ nanoseconds: UInt64, requests: Int = 1, bytes: UInt64) {
        let pieces = UInt64(requests) &+ bytes / Self.bytesPerSpan
        quick.note(nanoseconds, limit: Self.quickSpan &* pieces, requests)
        prompt.note(nanoseconds, limit: Self.promptSpan &* UInt64(requests), requests)
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
