public import BlockHost

// @usableFromInline: inlinable code of RAMView has two.
// @safe: a window is used while the view that has opened it holds the same map, which keeps the
// memory; each access is checked against the size.
/// Addresses behind which there is RAM in one piece of host memory: what a ``RAMView`` has found last.
@safe @usableFromInline
struct RAMWindow {
    @usableFromInline var first: GuestAddress = 0
    /// 0 while nothing is found.
    @usableFromInline var size: UInt64 = 0
    /// How many of the first addresses have 47 others behind them.
    @usableFromInline var room: UInt64 = 0
    @usableFromInline var host: UnsafeMutableRawPointer?
    @usableFromInline var log: UnretainedReference<DirtyLog>?
    /// The byte at `first` in the memory that `log` is of.
    @usableFromInline var logOffset = 0

    /// A window in which nothing is.
    init() {}

    /// The addresses of `range`, which is RAM.
    init(_ range: FlatRangePointer) {
        first = range.pointee.first
        // RAM is smaller than 2^63 bytes.
        size = range.pointee.last.offset(from: first) &+ 1
        room = size > 47 ? size &- 47 : 0
        unsafe host = unsafe range.pointee.host
        log = range.pointee.log
        logOffset = range.pointee.logOffset
    }

    /// How far `address` is behind the first one; `nil` unless `count` bytes from there on are in the
    /// window.
    @inline(__always)
    @inlinable
    func offset(of address: GuestAddress, _ count: UInt64) -> Int? {
        let offset = address.offset(from: first)
        guard offset < size, count <= size &- offset else { return nil }
        return Int(truncatingIfNeeded: offset)
    }

    /// Where a byte of the window is in the host.
    @inline(__always)
    @inlinable
    func place(_ offset: Int) -> UnsafeMutableRawPointer {
        // A window with a size has memory.
        unsafe host.unsafelyUnwrapped + offset
    }
}
