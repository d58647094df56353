/// The ranges of a map. For those who hold the map; without a reference count.
@safe struct FlatRanges {
    let root: UnsafePointer<FlatRange>?

    /// The range that contains `address`.
    func range(at address: GuestAddress) -> UnsafePointer<FlatRange>? {
        var next = unsafe root
        while let range = unsafe next {
            if unsafe address < range.pointee.first {
                unsafe next = unsafe range.pointee.left
            } else if unsafe address > range.pointee.last {
                unsafe next = unsafe range.pointee.right
            } else {
                return unsafe range
            }
        }
        return nil
    }
}
