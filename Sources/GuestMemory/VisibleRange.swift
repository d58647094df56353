/// A stretch of addresses and the region that is seen there. Safe to share: it never changes, and keeps
/// alive what its pointers lead to.
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
    func summary(
        _ left: UnsafeMutablePointer<FlatRange>?, _ right: UnsafeMutablePointer<FlatRange>?
    ) -> UnsafeMutablePointer<FlatRange> {
        let range = UnsafeMutablePointer<FlatRange>.allocate(capacity: 1)
        range.initialize(to: flat)
        range.pointee.left = UnsafePointer(left)
        range.pointee.right = UnsafePointer(right)
        return range
    }

    static func discard(_ range: UnsafeMutablePointer<FlatRange>) { range.deallocate() }
}
