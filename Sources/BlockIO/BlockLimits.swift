/// The sizes that the host prefers, for a device that tells its guest (`BlockImage.limits`). All are
/// in bytes.
public struct BlockLimits: Sendable, Hashable {
    /// What the medium writes as a whole: a power of two, at least 512. For a file, the block of its
    /// file system.
    public var physicalBlockSize: Int
    /// The smallest request without a penalty; a multiple of ``physicalBlockSize``.
    public var minimumIOSize: Int
    /// The best size of a large request; 0 when the host does not say.
    public var optimalIOSize: Int
    /// What discards should be multiples of; 0 when the host does not say.
    public var discardGranularity: Int
    /// The most bytes that one discard of a device takes; 0 when the host does not say, as for a
    /// file. The queue divides nothing: the kernel does.
    public var discardMaximum: UInt64

    /// Limits with these values.
    public init(
        physicalBlockSize: Int, minimumIOSize: Int, optimalIOSize: Int, discardGranularity: Int,
        discardMaximum: UInt64
    ) {
        self.physicalBlockSize = physicalBlockSize
        self.minimumIOSize = minimumIOSize
        self.optimalIOSize = optimalIOSize
        self.discardGranularity = discardGranularity
        self.discardMaximum = discardMaximum
    }
}
