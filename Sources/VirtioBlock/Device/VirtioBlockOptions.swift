public import BlockDMA

/// How a virtio block device presents itself. Nothing here can change later.
public struct VirtioBlockOptions: Sendable {
    /// What the request GET_ID returns: up to 20 characters from space to tilde; empty by default.
    public var serial: String
    /// The largest number of descriptors of a ring: a power of two from 4 to 1024; 256 by default.
    /// It is also the largest number of descriptors of one request.
    public var maximumQueueSize: Int
    /// Whether the write cache is on after a reset; true by default. While it is off, a write
    /// completes when its data is on stable storage.
    public var isWriteCacheOn: Bool
    /// The policy for failed reads of the host; `ErrorPolicy.report` by default.
    public var readErrorPolicy: ErrorPolicy
    /// The policy for failed writes, flushes, discards and writes of zeroes; `ErrorPolicy.enospc`
    /// by default.
    public var writeErrorPolicy: ErrorPolicy

    /// Options with the defaults described at each property.
    public init(
        serial: String = "", maximumQueueSize: Int = 256, isWriteCacheOn: Bool = true,
        readErrorPolicy: ErrorPolicy = .report, writeErrorPolicy: ErrorPolicy = .enospc
    ) {
        self.serial = serial
        self.maximumQueueSize = maximumQueueSize
        self.isWriteCacheOn = isWriteCacheOn
        self.readErrorPolicy = readErrorPolicy
        self.writeErrorPolicy = writeErrorPolicy
    }

    func validate() throws(VirtioError) {
        guard serial.utf8.count <= 20, serial.utf8.allSatisfy({ (0x20...0x7E).contains($0) })
        else {
            throw .invalidOption("the serial number is not up to 20 characters of ASCII")
        }
        guard (4...1024).contains(maximumQueueSize),
            maximumQueueSize & (maximumQueueSize - 1) == 0
        else {
            throw .invalidOption("the largest queue size is not a power of two from 4 to 1024")
        }
    }
}
