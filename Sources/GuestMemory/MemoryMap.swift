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
