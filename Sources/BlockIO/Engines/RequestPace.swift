/// Whether requests sleep in the kernel or are done on the spot, judged by how long they take.
struct RequestPace {
    /// They are done on the spot: more threads than processors would only get in each other's way.
    private(set) var isQuick = false
    private var quickInARow = 0

    /// A copy, not a device: no device answers within it, and memory moves so much in it.
    private static let quickSpan: UInt64 = 8_000
    private static let bytesPerSpan: UInt64 = 1 << 16
    /// So many in a row, and not one that took four times as long, before they count as quick.
    private static let patience = 32

    /// So many requests, of so many bytes together, took so many nanoseconds one after the other.
    mutating func note(_ nanoseconds: UInt64, requests: Int = 1, bytes: UInt64) {
        let quick = Self.quickSpan &* (UInt64(requests) &+ bytes / Self.bytesPerSpan)
        if nanoseconds < quick {
            quickInARow &+= requests
            if quickInARow >= Self.patience { isQuick = true }
        } else if nanoseconds > 4 &* quick {
            quickInARow = 0
            isQuick = false
        }
    }
}
