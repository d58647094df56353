/// A range of a map, for those who hold the map: without a reference count.
///
/// `@safe`, because a map keeps its ranges as long as it lives, and because a transfer, a list or a
/// copy that has found a range lets go of the map only afterwards.
@safe struct FlatRangePointer {
    private let address: UnsafePointer<FlatRange>

    init(_ address: UnsafePointer<FlatRange>) { unsafe self.address = unsafe address }

    /// The range.
    var pointee: FlatRange {
        unsafeAddress { unsafe address }
    }

    /// Frees a range that no map has any more.
    @unsafe func deallocate() { unsafe address.deallocate() }
}

extension Optional where Wrapped == FlatRangePointer {
    /// The range, if it contains `address`.
    @inline(__always)
    func covering(_ address: GuestAddress) -> Self {
        guard let range = self, address >= range.pointee.first,
            address <= range.pointee.last
        else { return nil }
        return range
    }
}
