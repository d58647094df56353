/// Counters of a ``VhostUserServer`` since it was made.
public struct VhostUserStatistics: Sendable, Hashable {
    /// Messages that were received from front ends.
    public internal(set) var messages: UInt64 = 0
    /// How often a thread was woken by a kick of the driver.
    public internal(set) var kicks: UInt64 = 0
    /// How often a call descriptor was written.
    public internal(set) var calls: UInt64 = 0
    /// Requests that were taken from rings.
    public internal(set) var requests: UInt64 = 0
    /// The same by virtqueue.
    public internal(set) var requestsByQueue: [UInt64] = []
    /// Requests that have ended with another status than OK.
    public internal(set) var failures: UInt64 = 0

    mutating func add(_ other: VhostUserStatistics) {
        messages &+= other.messages
        kicks &+= other.kicks
        calls &+= other.calls
        requests &+= other.requests
        requestsByQueue += other.requestsByQueue
        failures &+= other.failures
    }
}
