public import BlockIO
import Synchronization

/// A virtio block device (virtio 1.2, 5.2): what all its virtqueues have in common. Its requests are
/// served by a ``VirtioBlockQueue`` for each virtqueue.
///
/// Any thread may use it at any time. The driver accepts features before its rings start.
public final class VirtioBlockDevice: Sendable {
    /// The disk.
    public let image: BlockImage
    /// How it presents itself.
    public let options: VirtioBlockOptions
    /// The number of virtqueues.
    public let queueCount: Int
    /// What a driver can accept. A transport may offer features of its own beside.
    public let offeredFeatures: VirtioFeatures

    /// Constant parts of the configuration space.
    let limits: BlockLimits
    private let accepted = Atomic<UInt64>(0)
    private let isCacheOn: Atomic<Bool>
    private let shown: Guarded<Shown>

    /// What of the configuration space changes without the driver. Both change at once, so that a driver
    /// that finds the same generation before and after has read one size.
    private struct Shown {
        /// The size of the disk that the driver has been told last, in bytes.
        var size: UInt64
        var generation: UInt32 = 0
    }

    /// A device with `queueCount` virtqueues, from 1 to 1024.
    public init(
        _ image: BlockImage, queueCount: Int = 1, _ options: VirtioBlockOptions = .init()
    ) throws(VirtioError) {
        try options.validate()
        guard (1...1024).contains(queueCount) else {
            throw .invalidOption("the number of queues is outside 1 to 1024")
        }
        self.image = image
        self.options = options
        self.queueCount = queueCount
        limits = image.limits
        var features: VirtioFeatures = [
            .version1, .indirectDescriptors, .eventIndex, .segmentMaximum, .blockSize, .topology,
            .flush, .configurableWriteCache,
        ]
        if queueCount > 1 { features.insert(.multipleQueues) }
        if image.access == .readOnly {
            features.insert(.readOnly)
        } else {
            if image.capabilities.contains(.discard) { features.insert(.discard) }
            if image.capabilities.contains(.writeZeroes) { features.insert(.writeZeroes) }
        }
        offeredFeatures = features
        isCacheOn = Atomic(options.isWriteCacheOn)
        shown = Guarded(Shown(size: image.size))
    }

    // MARK: Features

    /// What the driver has accepted.
    public var features: VirtioFeatures {
        VirtioFeatures(rawValue: accepted.load(ordering: .acquiring))
    }

    /// The driver accepts features. Returns false, and changes nothing, if one of them is not
    /// offered, or if ``VirtioFeatures/version1`` is not among them.
    public func acceptFeatures(_ features: VirtioFeatures) -> Bool {
        guard features.isSubset(of: offeredFeatures), features.contains(.version1) else {
            return false
        }
        accepted.store(features.rawValue, ordering: .releasing)
        return true
    }

    /// Forgets what the driver has accepted and set. The queues are reset on their own.
    public func reset() {
        accepted.store(0, ordering: .releasing)
        isCacheOn.store(options.isWriteCacheOn, ordering: .releasing)
    }

    // MARK: The write cache

    /// Whether the write cache is on (virtio 1.2, 5.2.5.1): while it is off, a write completes when
    /// its data is stable. A driver that cannot flush gets it off, whatever it has set.
    public var isWriteCacheOn: Bool {
        let features = features
        if features == [] { return isCacheOn.load(ordering: .acquiring) }
        return features.contains(.flush) && isCacheOn.load(ordering: .acquiring)
    }

    /// What the driver has set, whether or not it is what counts.
    var isWriteCacheSwitchedOn: Bool { isCacheOn.load(ordering: .acquiring) }

    /// Switches the write cache, as the driver does through the configuration space.
    func setWriteCache(_ isOn: Bool) { isCacheOn.store(isOn, ordering: .releasing) }

    // MARK: The size

    /// Takes note of the size of the image: from now on, the configuration space has it. Returns true if
    /// it has changed, so that the transport tells the driver that the configuration has changed.
    public func noteSize() -> Bool {
        shown.withLock { shown in
            let size = image.size
            guard shown.size != size else { return false }
            shown.size = size
            shown.generation &+= 1
            return true
        }
    }

    /// The size of the disk in the configuration space, in bytes.
    var shownSize: UInt64 { shown.withLock { $0.size } }

    /// Changes when the configuration space does without the driver (virtio 1.2, 2.5).
    public var configurationGeneration: UInt32 { shown.withLock { $0.generation } }
}
