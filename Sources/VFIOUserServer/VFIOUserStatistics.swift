/// Counters of a ``VFIOUserServer`` since it was made.
public struct VFIOUserStatistics: Sendable, Hashable {
    /// Messages that were received from peers.
    public internal(set) var messages: UInt64 = 0
    /// How often the function raised its interrupt pin.
    public internal(set) var interrupts: UInt64 = 0
    /// How often an eventfd was written for an interrupt.
    public internal(set) var signals: UInt64 = 0
    /// Bytes of memory that were read by message.
    public internal(set) var messageBytesRead: UInt64 = 0
    /// Bytes of memory that were written by message.
    public internal(set) var messageBytesWritten: UInt64 = 0

    mutating func add(_ session: VFIOUserSession) {
        messages &+= session.messages
        messageBytesRead &+= session.requests.bytesRead
        messageBytesWritten &+= session.requests.bytesWritten
    }
}
