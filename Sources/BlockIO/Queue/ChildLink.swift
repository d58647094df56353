import Glibc

/// What a child request is to the guest's request that it was made for.
struct ChildLink {
    /// The guest's request.
    var parent: RequestPointer?
    // The other children of it.
    var next: RequestPointer?
    var previous: RequestPointer?
    /// How many bytes of the guest's request come before the child's; meaningless for one of the format's.
    var start: UInt64 = 0
    /// It moves bytes of the guest, or discards or clears them.
    var isOfGuest = false
    /// A list that was made for the child; `nil` when it uses a part of the guest's.
    var list: IOVectorStorage?
}
