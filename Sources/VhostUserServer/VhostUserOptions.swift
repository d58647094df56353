/// How a server presents an image.
public struct VhostUserOptions: Sendable {
    /// The serial number of the disk: up to 20 printable ASCII characters; empty by default.
    public var serial: String
    /// The number of virtqueues, from 1 to 256, each with a thread and a `BlockQueue` of its own; 1 by
    /// default. A writable image has to allow as many (`OpenOptions.queueLimit`).
    public var queueCount: Int
    /// The largest number of descriptors of a ring: a power of two from 4 to 1024; 256 by default.
    public var queueSize: Int
    /// Whether the write cache is on until the driver switches it; true by default. While it is off, a write
    /// completes when its data is on stable storage.
    public var isWriteCacheOn: Bool
    /// The longest time that a thread looks for work before it sleeps, which costs the time of a processor
    /// and saves the time of waking up, and the kicks of the driver; 32 microseconds by default, at most one
    /// second. A thread that has found nothing of late sleeps at once, and with zero each does.
    public var pollLimit: Duration

    /// Options with the defaults described at each property.
    public init(
        serial: String = "", queueCount: Int = 1, queueSize: Int = 256,
        isWriteCacheOn: Bool = true, pollLimit: Duration = .microseconds(32)
    ) {
        self.serial = serial
        self.queueCount = queueCount
        self.queueSize = queueSize
        self.isWriteCacheOn = isWriteCacheOn
        self.pollLimit = pollLimit
    }

    func validate() throws(VhostUserError) {
        guard (1...VhostUser.Limit.queues).contains(queueCount) else {
            throw .invalidOption("the number of queues is outside 1 to \(VhostUser.Limit.queues)")
        }
        guard (.zero...(.seconds(1))).contains(pollLimit) else {
            throw .invalidOption("the time of polling is outside 0 to 1 second")
        }
    }
}
