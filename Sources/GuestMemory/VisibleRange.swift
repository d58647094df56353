/// A range of addresses and the region that is visible there.
///
/// `@unchecked`: it never changes, and keeps alive the objects that its pointers lead to.
struct VisibleRange: TreeValue, @unchecked Sendable {
    /// Keeps alive what `flat` points to.
    let region: MappedRegion
    /// As readers find it, but for the ranges that it leads to.
    private let flat: FlatRange

    init(region: MappedRegion, _ range: ClosedRange<GuestAddress>) {
        self.region = region
        flat = FlatRange(region, first: range.lowerBound, last: range.upperBound)
    }

    var first: GuestAddress { flat.first }
    /// Inclusive.
    var last: GuestAddress { flat.last }

    func side(_ range: ClosedRange<GuestAddress>) -> PersistentTree<Self>.Side {
        if last < range.lowerBound { return .before }
        return first > range.upperBound ? .after : .here
    }

    /// Where readers find the range, and the ranges of the subtree.
    func summary(_ left: FlatRanges?, _ right: FlatRanges?) -> FlatRanges {
        let range = UnsafeMutablePointer<FlatRange>.allocate(capacity: 1)
        unsafe range.initialize(to: flat)
        unsafe range.pointee.left = left?.root
        unsafe range.pointee.right = right?.root
        return unsafe FlatRanges(root: FlatRangePointer(UnsafePointer(range)))
    }

    static func discard(_ ranges: FlatRanges) { unsafe ranges.root?.deallocate() }
}
