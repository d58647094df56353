import BlockHost

/// A stretch of addresses with one region behind it. It is a node of a tree of such stretches.
@safe struct FlatRange {
    let first: GuestAddress
    /// Inclusive: the address space ends at 2^64 - 1.
    let last: GuestAddress
    /// Those of the stretches in front, and behind, that this node leads to.
    var left: UnsafePointer<FlatRange>?
    var right: UnsafePointer<FlatRange>?
    let kind: MemoryRegion.Kind
    /// For RAM, ROM and ROM devices: where the byte at `first` is in the host.
    let host: UnsafeMutableRawPointer?
    let region: Unmanaged<MappedRegion>
    let log: Unmanaged<DirtyLog>?
    /// The byte at `first` in the memory that `log` is of.
    let logOffset: Int
    /// For memory that others can take away: what of it is lost.
    let watch: MemoryWatch?

    /// A node that leads to no others.
    init(_ mapped: MappedRegion, first: GuestAddress, last: GuestAddress) {
        self.first = first
        self.last = last
        unsafe region = unsafe .passUnretained(mapped)
        kind = mapped.region.kind
        let offset =
            mapped.region.memoryOffset + Int(truncatingIfNeeded: first.offset(from: mapped.base))
        logOffset = offset
        unsafe host = unsafe mapped.region.memory.map { unsafe $0.base + offset }
        unsafe log = unsafe mapped.region.memory.map { unsafe .passUnretained($0.dirtyLog) }
        watch = mapped.region.memory?.watch
    }
}
