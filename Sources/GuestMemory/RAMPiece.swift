public import BlockHost

// @usableFromInline: inlinable code of RAMView makes it.
/// The data of a request that is RAM in one piece, found by ``RAMView/take(_:length:as:)``, in place of a
/// ``DMATransfer``. It holds a map from ``RAMView/keepTaken()`` on, until it is given to
/// ``RAMView/release(_:count:)`` or to ``DMAMapper/adopt(_:_:userData:)``.
@usableFromInline
package struct RAMPiece {
    /// The first byte.
    @usableFromInline package var address: GuestAddress = 0
    /// The number of bytes.
    @usableFromInline package var length: UInt64 = 0
    /// Names the map that it holds.
    @usableFromInline package var slot = 0
    @usableFromInline var log: UnretainedReference<DirtyLog>?
    /// The first byte in the memory that `log` is of.
    @usableFromInline var logOffset = 0

    /// No piece.
    package init() {}

    @inline(__always)
    @inlinable
    init(
        _ address: GuestAddress, _ length: UInt64, slot: Int,
        log: UnretainedReference<DirtyLog>?, logOffset: Int
    ) {
        self.address = address
        self.length = length
        self.slot = slot
        self.log = log
        self.logOffset = logOffset
    }

    /// Marks the pages of all bytes, which the device has written.
    @inline(__always)
    @inlinable
    package func markWritten() {
        log?.with { $0.mark(offset: logOffset, length: Int(truncatingIfNeeded: length)) }
    }
}
