/// The ranges of a map. For those who hold the map; without a reference count.
struct FlatRanges {
    let root: FlatRangePointer?

    /// The range that contains `address`.
    func range(at address: GuestAddress) -> FlatRangePointer? {
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
