import BlockHost

// @safe: the region of a range keeps its memory, and the map that has the range keeps the region.
/// A stretch of addresses with one region behind it. It is a node of a tree of such stretches.
@safe struct FlatRange {
    let first: GuestAddress
    /// Inclusive: the address space ends at 2^64 - 1.
    let last: GuestAddress
    /// Those of the stretches in front, and behind, that this node leads to.
    var left: FlatRangePointer?
    var right: FlatRangePointer?
    let kind: MemoryRegion.Kind
    /// For RAM, ROM and ROM devices: where the byte at `first` is in the host.
    let host: UnsafeMutableRawPointer?
    let region: UnretainedReference<MappedRegion>
    let log: UnretainedReference<DirtyLog>?
    /// The byte at `first` in the memory that `log` is of.
    let logOffset: Int
    /// For memory that others can take away: what of it is lost.
    let watch: MemoryWatch?

    /// A node that leads to no others.
    init(_ mapped: MappedRegion, first: GuestAddress, last: GuestAddress) {
        self.first = first
        self.last = last
        region = unsafe UnretainedReference(mapped)
        kind = mapped.region.kind
        let offset =
            mapped.region.memoryOffset + Int(truncatingIfNeeded: first.offset(from: mapped.base))
        logOffset = offset
        unsafe host = unsafe mapped.region.memory.map { unsafe $0.base + offset }
        log = mapped.region.memory.map { unsafe UnretainedReference($0.dirtyLog) }
        watch = mapped.region.memory?.watch
    }
}

extension FlatRange {
    /// The host address of the first byte that the log is of.
    @inline(__always)
    var logBase: UInt { unsafe UInt(bitPattern: host) &- UInt(bitPattern: logOffset) }
}
