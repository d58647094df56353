public import BlockHost

// @usableFromInline: its inlinable code is compiled into the device that has the stretch.
// @safe: a stretch is used while the view that has found it holds the same map, which keeps the
// memory; each access is checked against the size.
/// Bytes of RAM that lie in one piece of host memory, found by ``RAMView/stretch(at:count:)``.
///
/// Others may write the memory at any time: every access copies each byte once. `false` and `nil`
/// say that some of the memory is lost (`GuestRAM.surviveTruncation()`).
@safe @usableFromInline
package struct RAMStretch {
    /// The number of bytes.
    @usableFromInline package let count: Int
    @usableFromInline let host: UnsafeMutableRawPointer
    @usableFromInline let log: UnretainedReference<DirtyLog>?
    @usableFromInline let logOffset: Int
    @usableFromInline let watch: MemoryWatch?

    init?(_ range: FlatRangePointer, at address: GuestAddress, count: Int) {
        guard let base = unsafe range.pointee.host, count > 0,
            UInt64(count - 1) <= range.pointee.last.offset(from: address)
        else { return nil }
        let offset = Int(truncatingIfNeeded: address.offset(from: range.pointee.first))
        self.count = count
        unsafe host = unsafe base + offset
        log = range.pointee.log
        logOffset = range.pointee.logOffset + offset
        watch = range.pointee.watch
    }

    /// Copies `size` bytes that begin at `offset` to memory of the device.
    @inlinable
    package func read(
        at offset: Int, into target: UnsafeMutableRawPointer, count size: Int
    ) -> Bool {
        check(offset, size)
        let outcome = unsafe VolatileMemory.copy(to: target, from: host + offset, count: size)
        return outcome == .whole && isIntact(offset, size)
    }

    /// The same for 16 bytes, of which some may be lost if ``MemoryWatch/isAnyLost`` afterwards: the
    /// device looks once, after several copies.
    @inline(__always)
    @inlinable
    package func copy16(at offset: Int, to target: UnsafeMutableRawPointer) -> Bool {
        // Also where the stretch is shorter.
        precondition(offset >= 0 && offset <= count &- 16, "outside of a stretch of RAM")
        return unsafe VolatileMemory.copy16(to: target, from: host + offset) == .whole
    }

    /// Copies `size` bytes of the device to the bytes that begin at `offset`, and marks their pages.
    @inlinable
    package func write(
        at offset: Int, from source: UnsafeRawPointer, count size: Int
    ) -> Bool {
        check(offset, size)
        let outcome = unsafe VolatileMemory.copy(to: host + offset, from: source, count: size)
        log?.with { $0.mark(offset: logOffset + offset, length: size) }
        return outcome == .whole && isIntact(offset, size)
    }

    /// The little-endian number at `offset`; `nil` when its memory is lost.
    @inlinable
    package func load16(at offset: Int) -> UInt16? {
        var value: UInt16 = 0
        guard unsafe read(at: offset, into: &value, count: 2) else { return nil }
        return UInt16(littleEndian: value)
    }

    /// Stores a little-endian number at `offset`.
    @inlinable
    package func store16(_ value: UInt16, at offset: Int) -> Bool {
        var value = value.littleEndian
        return unsafe write(at: offset, from: &value, count: 2)
    }

    @inline(__always)
    @inlinable
    func check(_ offset: Int, _ size: Int) {
        precondition(
            offset >= 0 && size >= 0 && size <= count && offset <= count &- size,
            "outside of a stretch of RAM")
    }

    /// A page of zeroes may have taken the place of a lost page before the copy.
    @inline(__always)
    @inlinable
    func isIntact(_ offset: Int, _ size: Int) -> Bool {
        MemoryWatch.isAnyLost ? unsafe Self.isStillIntact(watch, host + offset, size) : true
    }

    // Static, so that the compiler does not copy the stretch for each call that might be.
    @inline(never)
    @usableFromInline
    static func isStillIntact(
        _ watch: MemoryWatch?, _ start: UnsafeRawPointer, _ size: Int
    ) -> Bool {
        guard let watch else { return true }
        return unsafe watch.intact(start, size) == size
    }
}
