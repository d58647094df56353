import BlockHost

/// A stretch of addresses with one region behind it. It is a node of a tree of such stretches.
struct FlatRange {
    let first: GuestAddress
    /// Inclusive: the address space ends at 2^64 - 1.
    let last: GuestAddress
    /// Those of the stretches in front, and behind, that this node leads to.
    var left: UnsafePointer<FlatRange>?
    var right: UnsafePointer<FlatRange>?
    let kind: MemoryRegion.Kind
    /// For RAM, ROM and ROM devices: where the byte at `first` is in the host.
    let host: UnsafeMutableRawPointer?
    let region: Unmanaged<MappedRegion>
    let log: Unmanaged<DirtyLog>?
    /// The byte at `first` in the memory that `log` is of.
    let logOffset: Int
    /// For memory that others can take away: what of it is lost.
    let watch: MemoryWatch?

    /// A node that leads to no others.
    init(_ mapped: MappedRegion, first: GuestAddress, last: GuestAddress) {
        self.first = first
        self.last = last
        region = .passUnretained(mapped)
        kind = mapped.region.kind
        let offset =
            mapped.region.memoryOffset + Int(truncatingIfNeeded: first.offset(from: mapped.base))
        logOffset = offset
        host = mapped.region.memory.map { $0.base + offset }
        log = mapped.region.memory.map { .passUnretained($0.dirtyLog) }
        watch = mapped.region.memory?.watch
    }
}

/// The ranges of a map. For those who hold the map; without a reference count.
struct FlatRanges {
    let root: UnsafePointer<FlatRange>?

    /// The range that contains `address`.
    func range(at address: GuestAddress) -> UnsafePointer<FlatRange>? {
        var next = root
        while let range = next {
            if address < range.pointee.first {
                next = range.pointee.left
            } else if address > range.pointee.last {
                next = range.pointee.right
            } else {
                return range
            }
        }
        return nil
    }
}

/// What an address space looks like at one time. Safe to share, because it is never changed.
final class MemoryMap: @unchecked Sendable {
    /// The how-manieth map of its address space it is.
    let version: UInt64
    let ranges: FlatRanges
    /// Keeps alive what `ranges` points to.
    private let visible: PersistentTree<VisibleRange>

    init(_ layout: MapLayout, version: UInt64) {
        self.version = version
        visible = layout.visible
        ranges = FlatRanges(root: layout.visible.root?.summary)
    }

    /// The range that contains `address`.
    func range(at address: GuestAddress) -> UnsafePointer<FlatRange>? { ranges.range(at: address) }

    /// The region that contains `address`, if it is memory of another process.
    func remote(at address: GuestAddress) -> MappedRegion? {
        guard let range = range(at: address), range.pointee.kind == .remote else { return nil }
        return range.pointee.region.takeUnretainedValue()
    }
}
