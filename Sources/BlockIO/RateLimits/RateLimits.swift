/// How many requests and bytes an image lets through in a time, all of its queues together
/// (``OpenOptions/rateLimits``, ``BlockImage/setRateLimits(_:)``). Each of the six limits is independent of the
/// others; a request waits for all that concern it. `nil`, the default, is no limit.
///
/// Reads, writes, discards and writes of zeroes are limited. The last three count as writes. Discards and writes of
/// zeroes count as operations only, because the host moves no bytes for them; where zeroes have to be written as
/// buffers, their bytes are counted then. Flushes and resizes are not limited, nor is what a format does to its
/// files.
public struct RateLimits: Sendable, Hashable {
    /// Reads and writes together, in operations.
    public var operations: RateLimit?
    /// Reads, in operations.
    public var readOperations: RateLimit?
    /// Writes, in operations.
    public var writeOperations: RateLimit?
    /// Reads and writes together, in bytes.
    public var bytes: RateLimit?
    /// Reads, in bytes.
    public var readBytes: RateLimit?
    /// Writes, in bytes.
    public var writeBytes: RateLimit?

    /// The limits given here.
    public init(
        operations: RateLimit? = nil, readOperations: RateLimit? = nil,
        writeOperations: RateLimit? = nil, bytes: RateLimit? = nil, readBytes: RateLimit? = nil,
        writeBytes: RateLimit? = nil
    ) {
        self.operations = operations
        self.readOperations = readOperations
        self.writeOperations = writeOperations
        self.bytes = bytes
        self.readBytes = readBytes
        self.writeBytes = writeBytes
    }

    /// Whether there is no limit.
    public var isEmpty: Bool { self == RateLimits() }

    func validate(image: String) throws(BlockError) {
        let limits = [
            ("operations", operations), ("readOperations", readOperations),
            ("writeOperations", writeOperations), ("bytes", bytes), ("readBytes", readBytes),
            ("writeBytes", writeBytes),
        ]
        for (name, limit) in limits {
            guard let complaint = limit?.complaint else { continue }
            throw BlockError(
                .invalidOption, operation: .open, image: image,
                detail: "the rate limit \(name) has \(complaint)")
        }
    }
}
