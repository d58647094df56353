import BlockHost

/// A device's view of RAM that the device reads and writes again and again in small parts, such as
/// the rings of a virtqueue. What is not RAM in one piece is not visible, so that an access never
/// leads to a device; ``DMAMapper`` reaches everything else.
///
/// All accesses are between ``begin()`` and ``end()``, which hold the current map. A stretch stays
/// valid as long as ``begin()`` says so: then the device need not look it up again.
package struct RAMView: ~Copyable {
    private let space: AddressSpace
    private var slot = -1
    /// The map that is held, or was held last.
    private var map: UnretainedReference<MemoryMap>?
    private var version: UInt64?
    /// Where the last byte was found; of the map of `version`.
    private var hint: FlatRangePointer?

    /// A view that has held no map yet.
    package init(_ space: AddressSpace) { self.space = space }

    /// Holds the current map. Returns whether it is the same as before, so that the stretches that
    /// were found are valid.
    package mutating func begin() -> Bool {
        precondition(slot < 0, "a view holds one map at a time")
        let (slot, map) = space.hold()
        self.slot = slot
        self.map = map
        let version = map.with { $0.version }
        if version == self.version { return true }
        self.version = version
        hint = nil
        return false
    }

    /// Releases the map.
    package mutating func end() {
        precondition(slot >= 0, "a view ends what it has begun")
        let slot = slot
        self.slot = -1
        map = nil
        space.release(slot)
    }

    /// `count` bytes of RAM that begin at `address`; `nil` unless all of them are in one piece.
    package mutating func stretch(at address: GuestAddress, count: Int) -> RAMStretch? {
        guard let range = range(at: address), range.pointee.kind == .ram else { return nil }
        return RAMStretch(range, at: address, count: count)
    }

    /// Copies `count` bytes of RAM or ROM that begin at `address` to memory of the device. Returns
    /// false, and leaves `target` undefined, unless all of them are in one piece.
    package mutating func read(
        at address: GuestAddress, into target: UnsafeMutableRawPointer, count: Int
    ) -> Bool {
        guard let range = range(at: address), let base = unsafe range.pointee.host, count > 0,
            UInt64(truncatingIfNeeded: count &- 1) <= range.pointee.last.offset(from: address)
        else { return false }
        let offset = address.offset(from: range.pointee.first)
        let host = unsafe base + Int(truncatingIfNeeded: offset)
        let outcome = unsafe VolatileMemory.copy(to: target, from: host, count: count)
        return outcome == .whole && range.pointee.isIntact(offset, count)
    }

    /// Writes one byte to RAM, and marks its page. Returns false where there is no RAM.
    package mutating func store(_ byte: UInt8, at address: GuestAddress) -> Bool {
        guard let range = range(at: address), range.pointee.kind == .ram,
            let base = unsafe range.pointee.host
        else { return false }
        let offset = address.offset(from: range.pointee.first)
        let place = Int(truncatingIfNeeded: offset)
        var byte = byte
        let outcome = unsafe VolatileMemory.copy(to: base + place, from: &byte, count: 1)
        range.pointee.log?.with { $0.mark(offset: range.pointee.logOffset + place, length: 1) }
        return outcome == .whole && range.pointee.isIntact(offset, 1)
    }

    @inline(__always)
    private mutating func range(at address: GuestAddress) -> FlatRangePointer? {
        precondition(slot >= 0, "a view is used between begin and end")
        if let hint, address >= hint.pointee.first, address <= hint.pointee.last { return hint }
        guard let found = map?.with({ $0.range(at: address) }) else { return nil }
        hint = found
        return found
    }
}

extension FlatRange {
    /// Whether bytes that were copied were there. A page of zeroes may have taken the place of a lost
    /// page before the copy.
    @inline(__always)
    fileprivate func isIntact(_ offset: UInt64, _ count: Int) -> Bool {
        MemoryWatch.isAnyLost ? isStillIntact(offset, count) : true
    }

    @inline(never)
    private func isStillIntact(_ offset: UInt64, _ count: Int) -> Bool {
        guard let watch, let base = unsafe host else { return true }
        return unsafe watch.intact(base + Int(truncatingIfNeeded: offset), count) == count
    }
}
