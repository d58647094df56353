/// Feature bits of a virtio block device (virtio 1.2, 5.2.3 and 6).
public struct VirtioFeatures: OptionSet, Sendable, Hashable {
    /// The bits, numbered as in the specification.
    public let rawValue: UInt64
    /// The features that these bits stand for.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// VIRTIO_BLK_F_SEG_MAX: the configuration limits the segments of a request.
    public static let segmentMaximum = VirtioFeatures(rawValue: 1 << 2)
    /// VIRTIO_BLK_F_RO: the disk cannot be written.
    public static let readOnly = VirtioFeatures(rawValue: 1 << 5)
    /// VIRTIO_BLK_F_BLK_SIZE: the configuration has the logical block size.
    public static let blockSize = VirtioFeatures(rawValue: 1 << 6)
    /// VIRTIO_BLK_F_FLUSH: the disk has a write cache, which a request flushes.
    public static let flush = VirtioFeatures(rawValue: 1 << 9)
    /// VIRTIO_BLK_F_TOPOLOGY: the configuration has the physical and the optimal sizes.
    public static let topology = VirtioFeatures(rawValue: 1 << 10)
    /// VIRTIO_BLK_F_CONFIG_WCE: the driver can switch the write cache.
    public static let configurableWriteCache = VirtioFeatures(rawValue: 1 << 11)
    /// VIRTIO_BLK_F_MQ: there are several virtqueues.
    public static let multipleQueues = VirtioFeatures(rawValue: 1 << 12)
    /// VIRTIO_BLK_F_DISCARD: requests can discard.
    public static let discard = VirtioFeatures(rawValue: 1 << 13)
    /// VIRTIO_BLK_F_WRITE_ZEROES: requests can write zeroes.
    public static let writeZeroes = VirtioFeatures(rawValue: 1 << 14)
    /// VIRTIO_RING_F_INDIRECT_DESC: a descriptor can name a table of descriptors.
    public static let indirectDescriptors = VirtioFeatures(rawValue: 1 << 28)
    /// VIRTIO_RING_F_EVENT_IDX: each side says when it wants to be notified.
    public static let eventIndex = VirtioFeatures(rawValue: 1 << 29)
    /// VIRTIO_F_VERSION_1: the driver obeys version 1 or later of the specification.
    public static let version1 = VirtioFeatures(rawValue: 1 << 32)
}
