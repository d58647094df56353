public import BlockHost

/// The slots that no request is in, linked through themselves; the last that was freed goes first.
///
/// Inlined into callers, which is why its parts are usable from inline code.
@usableFromInline
struct FreeSlots {
    @usableFromInline var first: RequestPointer?

    @inline(__always)
    @inlinable
    mutating func take() -> RequestPointer? {
        guard let request = first else { return nil }
        first = request.pointee.next
        return request
    }

    @inline(__always)
    @inlinable
    mutating func give(back request: RequestPointer) {
        request.pointee.next = first
        first = request
    }
}
