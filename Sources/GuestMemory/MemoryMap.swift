/// The regions that are visible in an address space between two changes.
///
/// `@unchecked`: it never changes, and keeps alive the objects that its pointers lead to.
final class MemoryMap: @unchecked Sendable {
    /// The number of the map: each change of its address space adds 1.
    let version: UInt64
    let ranges: FlatRanges
    /// Keeps alive what `ranges` points to.
    private let visible: PersistentTree<VisibleRange>

    init(_ layout: MapLayout, version: UInt64) {
        self.version = version
        visible = layout.visible
        ranges = layout.visible.root?.summary ?? FlatRanges(root: nil)
    }

    /// The range that contains `address`.
    func range(at address: GuestAddress) -> FlatRangePointer? {
        ranges.range(at: address)
    }

    /// The region that contains `address`, if it is memory of another process.
    func remote(at address: GuestAddress) -> MappedRegion? {
        guard let range = range(at: address), range.pointee.kind == .remote else {
            return nil
        }
        return range.pointee.region.object
    }
}
