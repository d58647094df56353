import Synchronization

/// A region in an address space, made by ``AddressSpace/map(_:at:priority:)``.
public final class MappedRegion: Sendable {
    /// The region as it was mapped.
    public let region: MemoryRegion
    /// Its first address.
    public let base: GuestAddress
    /// Where regions overlap, the one of higher priority is visible; among equals, the one mapped last.
    public let priority: Int

    /// Of two regions of one space, the one with the greater sequence number was mapped later.
    let sequence: UInt64
    /// The first map of the space that shows it.
    private let firstVersion: UInt64
    /// The first map after that which does not; 0 as long as it is mapped.
    private let endVersion = Atomic<UInt64>(0)

    init(
        _ region: MemoryRegion, at base: GuestAddress, priority: Int, sequence: UInt64,
        version: UInt64
    ) {
        self.region = region
        self.base = base
        self.priority = priority
        self.sequence = sequence
        firstVersion = version
    }

    var last: GuestAddress { base &+ (region.size - 1) }

    var rank: RegionIndex.Rank { RegionIndex.Rank(priority: priority, sequence: sequence) }

    /// It was removed, so that the map of this version is the first without it.
    func noteRemoval(in version: UInt64) { endVersion.store(version, ordering: .relaxed) }

    /// The maps that showed it, if it has been removed.
    var versions: Range<UInt64> {
        let end = endVersion.load(ordering: .relaxed)
        return firstVersion..<max(firstVersion, end)
    }
}
