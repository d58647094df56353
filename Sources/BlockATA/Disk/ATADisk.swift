public import BlockIO

/// A disk made of an image, to be plugged into a controller. The guest sees sectors of 512
/// bytes, whatever the host's alignment.
///
/// The disk owns the queue on its image. The controller that the disk is plugged into uses the
/// queue.
public final class ATADisk {
    /// The medium. One that is open read-only makes a disk that aborts writes.
    public let image: BlockImage
    /// The queue on it, with `QueueThreading.shared`. It is not public: a drive knows its requests by their
    /// `userData`, and would take another's for one of its own, whose memory the kernel still uses.
    package let queue: BlockQueue
    /// How it presents itself.
    public let options: DiskOptions
    /// The default translation.
    public let geometry: DiskGeometry
    /// Size in sectors of 512 bytes, at most ``maximumSectorCount``. The guest does not see the
    /// rest of a larger image.
    public let sectorCount: UInt64
    /// Whether it is plugged into a controller.
    package internal(set) var isPluggedIn = false

    /// Bytes in a sector of a disk (ATA/ATAPI-6 3.1.39).
    package static let sectorSize = 512
    /// The largest size that IDENTIFY DEVICE words 100-103 can name, since addresses have 48
    /// bits (ATA/ATAPI-6 6.20, 8.15.55).
    public static let maximumSectorCount: UInt64 = 0xFFFF_FFFF_FFFF

    /// A disk of `image`. Opens a queue on it, with threading and descriptor as a controller
    /// needs them, and reads the first sector, which may take a while.
    public init(
        _ image: BlockImage, _ options: DiskOptions = DiskOptions(),
        queue queueOptions: QueueOptions = QueueOptions()
    ) throws(ATAError) {
        try options.validate()
        self.image = image
        self.options = options
        sectorCount = min(image.size / UInt64(Self.sectorSize), Self.maximumSectorCount)
        do throws(BlockError) {
            var geometry = options.geometry
            if geometry == nil { geometry = try Self.partitionedGeometry(image, sectorCount) }
            self.geometry = geometry ?? DiskGeometry(sectorCount: sectorCount)
            queue = try BlockQueue(image, queueOptions.ofDrive)
        } catch {
            throw .image(error)
        }
    }

    /// The geometry in the partition table; `nil` without one, or when the first sector cannot be
    /// read. The read uses a queue of its own, so that the statistics of the guest's queue count
    /// requests of the guest only.
    private static func partitionedGeometry(
        _ image: BlockImage, _ sectorCount: UInt64
    ) throws(BlockError) -> DiskGeometry? {
        guard sectorCount > 0 else { return nil }
        let queue = try BlockQueue(image, QueueOptions(depth: 1, hasDescriptor: false))
        defer { queue.close() }
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: sectorSize, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var isRead = false
        unsafe queue.read(into: buffer, at: 0)
        queue.drain { isRead = $0.isSuccess }
        guard isRead else { return nil }
        return unsafe DiskGeometry(masterBootRecord: Array(buffer), sectorCount: sectorCount)
    }
}
