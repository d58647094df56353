public import GuestMemory

/// Where a driver has put the three parts of a split virtqueue (virtio 1.2, 2.7).
public struct VirtqueueLayout: Sendable, Hashable {
    /// The number of descriptors.
    public var size: Int
    /// The table of descriptors: 16 bytes each.
    public var descriptors: GuestAddress
    /// The available ring, or driver area: 6 bytes, and 2 for each descriptor.
    public var available: GuestAddress
    /// The used ring, or device area: 6 bytes, and 8 for each descriptor.
    public var used: GuestAddress

    /// A queue of `size` descriptors.
    public init(
        size: Int, descriptors: GuestAddress, available: GuestAddress, used: GuestAddress
    ) {
        self.size = size
        self.descriptors = descriptors
        self.available = available
        self.used = used
    }

    /// What is wrong with it, whatever is in memory.
    func fault(maximumSize: Int) -> VirtioRingFault? {
        guard size > 0, size <= maximumSize, size & (size - 1) == 0 else { return .size }
        let isAligned =
            descriptors.rawValue & 15 == 0 && available.rawValue & 1 == 0 && used.rawValue & 3 == 0
        return isAligned ? nil : .alignment
    }

    var descriptorBytes: Int { 16 * size }
    var availableBytes: Int { 6 + 2 * size }
    var usedBytes: Int { 6 + 8 * size }
}
