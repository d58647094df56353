/// What a ``VFIOUserServer`` has done since it was made.
public struct VFIOUserStatistics: Sendable, Hashable {
    /// Messages that came from peers.
    public internal(set) var messages: UInt64 = 0
    /// How often the function's interrupt line rose.
    public internal(set) var interrupts: UInt64 = 0
    /// How often an eventfd was written for it.
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
