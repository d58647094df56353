/// What a transfer has to obey to go to the engine as it is, as one submission with the caller's own
/// list. A queue has one of these for each host file.
///
/// Inlined into callers, which is why its parts are usable from inline code.
@usableFromInline
struct TransferLimits {
    /// The alignment of addresses less 1, in bytes.
    @usableFromInline var memoryMask: UInt = 0
    /// The alignment of offsets and lengths less 1, in bytes.
    @usableFromInline var offsetMask: UInt = 0
    /// Bytes of the file. What the image has beyond them never goes to the engine.
    @usableFromInline var size: UInt64 = 0

    /// Whether a list obeys the alignment, lies inside the file, is not empty, and is not larger than one
    /// preadv(2) takes. The only place that answers this, for the fast path and for `check`.
    ///
    /// It changes nothing. It is mutating so that the parts are compared where they are; a copy of all of
    /// them costs three instructions a request.
    @inline(__always)
    @inlinable
    mutating func admit(_ list: VectorSum, at offset: UInt64) -> Bool {
        // Lengths that are all multiples make the positions multiples, if the first one is.
        let offending =
            (list.lengthBits | UInt(offset)) & offsetMask | list.addressBits & memoryMask
        // The difference wraps for an empty list.
        return offending == 0 && !list.mayOverflow
            && list.total &- 1 < UInt(PieceTransfer.maximumBytes) && offset <= size
            && UInt64(list.total) <= size &- offset
    }
}
