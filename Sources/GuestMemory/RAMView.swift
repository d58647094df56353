public import BlockHost

// @usableFromInline: its inlinable code is compiled into the device that has the view.
/// A device's view of RAM that the device reads and writes again and again in small parts, such as
/// the rings of a virtqueue. What is not RAM in one piece is not visible, so that an access never
/// leads to a device; ``DMAMapper`` reaches everything else.
///
/// All accesses are between ``begin()`` and ``end()``, which hold the current map. A stretch stays
/// valid as long as ``begin()`` says so: then the device need not look it up again.
///
/// Requests whose data is RAM in one piece need no ``DMATransfer``: ``take(_:length:as:)`` finds the
/// memory of one, and ``keepTaken()`` holds the map for all that were taken.
@usableFromInline
package struct RAMView: ~Copyable {
    private let space: AddressSpace
    @usableFromInline var slot = -1
    /// The map that is held, or was held last.
    private var map: UnretainedReference<MemoryMap>?
    private var version: UInt64?
    /// Where headers, tables of descriptors and the like were found last; of the map of `version`.
    @usableFromInline var near = RAMWindow()
    /// Where the data of a request was found last; of the same map.
    @usableFromInline var data = RAMWindow()
    /// Pieces for which the map is not held yet, and their bytes.
    @usableFromInline var taken = 0
    @usableFromInline var takenBytes: UInt64 = 0

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
        near = RAMWindow()
        data = RAMWindow()
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

    // MARK: Bytes

    /// Copies `count` bytes of RAM or ROM that begin at `address` to memory of the device. Returns
    /// false, and leaves `target` undefined, unless all of them are in one piece.
    @usableFromInline
    package mutating func read(
        at address: GuestAddress, into target: UnsafeMutableRawPointer, count: Int
    ) -> Bool {
        guard let range = range(at: address), let base = unsafe range.pointee.host, count > 0,
            UInt64(truncatingIfNeeded: count &- 1) <= range.pointee.last.offset(from: address)
        else { return false }
        if range.pointee.kind == .ram { near = RAMWindow(range) }
        let offset = address.offset(from: range.pointee.first)
        let host = unsafe base + Int(truncatingIfNeeded: offset)
        let outcome = unsafe VolatileMemory.copy(to: target, from: host, count: count)
        return outcome == .whole && isIntact(address, count)
    }

    /// The same for 16 bytes, of which some may be lost if ``MemoryWatch/isAnyLost`` afterwards: the
    /// device looks once, after several copies.
    @inline(__always)
    @inlinable
    package mutating func copy16(
        at address: GuestAddress, to target: UnsafeMutableRawPointer
    ) -> Bool {
        let offset = address.offset(from: near.first)
        guard offset < near.room else { return unsafe read(at: address, into: target, count: 16) }
        return unsafe VolatileMemory.copy16(
            to: target, from: near.place(Int(truncatingIfNeeded: offset))) == .whole
    }

    /// The same for 48 bytes.
    @inline(__always)
    @inlinable
    package mutating func copy48(
        at address: GuestAddress, to target: UnsafeMutableRawPointer
    ) -> Bool {
        let offset = address.offset(from: near.first)
        guard offset < near.room else { return unsafe read(at: address, into: target, count: 48) }
        return unsafe VolatileMemory.copy48(
            to: target, from: near.place(Int(truncatingIfNeeded: offset))) == .whole
    }

    /// Writes one byte to RAM, and marks its page. Returns false where there is no RAM.
    @inline(__always)
    @inlinable
    package mutating func store(_ byte: UInt8, at address: GuestAddress) -> Bool {
        var place = near.offset(of: address, 1)
        if place == nil { place = openNear(at: address) }
        guard let offset = place else { return false }
        let outcome = unsafe VolatileMemory.store(byte, to: near.place(offset))
        near.log?.with { $0.mark(offset: near.logOffset &+ offset, length: 1) }
        return outcome == .whole && isIntact(address, 1)
    }

    /// Opens the window at an address that is not in it. Returns how far the address is behind its first;
    /// `nil` where there is no RAM.
    @inline(never)
    @usableFromInline
    mutating func openNear(at address: GuestAddress) -> Int? {
        guard let range = range(at: address), range.pointee.kind == .ram else { return nil }
        near = RAMWindow(range)
        return near.offset(of: address, 1)
    }

    // MARK: The data of requests

    /// Takes the `length` bytes of RAM that begin at `address`, for a request that the device submits
    /// before ``end()``. Returns where they are in the host; `nil` unless they are in one piece, none of
    /// which is lost.
    @inline(__always)
    @inlinable
    package mutating func take(
        _ address: GuestAddress, length: UInt64, as piece: inout RAMPiece
    ) -> UnsafeMutableRawPointer? {
        var place = data.offset(of: address, length)
        if place == nil { place = openData(at: address, length) }
        guard let offset = place, isIntact(address, Int(truncatingIfNeeded: length)) else {
            return nil
        }
        piece = RAMPiece(
            address, length, slot: slot, log: data.log, logOffset: data.logOffset &+ offset)
        taken &+= 1
        takenBytes &+= length
        return unsafe data.place(offset)
    }

    /// Opens the window at bytes that are not in it, as `openNear` does.
    @inline(never)
    @usableFromInline
    mutating func openData(at address: GuestAddress, _ length: UInt64) -> Int? {
        guard let range = range(at: address), range.pointee.kind == .ram else { return nil }
        data = RAMWindow(range)
        return data.offset(of: address, length)
    }

    /// Holds the map for the pieces that were taken. Returns the number of their bytes.
    package mutating func keepTaken() -> UInt64 {
        guard taken > 0 else { return 0 }
        space.hold(slot, count: taken)
        defer { takenBytes = 0 }
        taken = 0
        return takenBytes
    }

    /// Releases the map that `slot` names for `count` pieces.
    package mutating func release(_ slot: Int, count: Int) { space.release(slot, count: count) }

    // MARK: The map

    private func range(at address: GuestAddress) -> FlatRangePointer? {
        precondition(slot >= 0, "a view is used between begin and end")
        return map?.with { $0.range(at: address) }
    }

    /// Whether bytes in one piece that were copied were there. A page of zeroes may have taken the place
    /// of a lost page before the copy.
    @inline(__always)
    @inlinable
    mutating func isIntact(_ address: GuestAddress, _ count: Int) -> Bool {
        MemoryWatch.isAnyLost ? isStillIntact(address, count) : true
    }

    // Mutating, so that the compiler does not copy the view for each call that might be.
    @inline(never)
    @usableFromInline
    mutating func isStillIntact(_ address: GuestAddress, _ count: Int) -> Bool {
        guard let range = range(at: address), let watch = range.pointee.watch,
            let base = unsafe range.pointee.host
        else { return true }
        let offset = Int(truncatingIfNeeded: address.offset(from: range.pointee.first))
        return unsafe watch.intact(base + offset, count) == count
    }
}
