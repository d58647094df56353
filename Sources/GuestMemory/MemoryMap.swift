/// A stretch of addresses with one region behind it.
struct FlatRange {
    let first: UInt64
    /// Inclusive: the address space ends at 2^64 - 1.
    let last: UInt64
    let kind: MemoryRegion.Kind
    /// For RAM, ROM and ROM devices: where the byte at `first` is in the host.
    let host: UnsafeMutableRawPointer?
    let region: Unmanaged<MappedRegion>
    let log: Unmanaged<DirtyLog>?
    /// The byte at `first` in the memory that `log` is of.
    let logOffset: Int
    /// Whether memory behind it can vanish.
    let canShrink: Bool

    init(_ mapped: MappedRegion, first: UInt64, last: UInt64) {
        self.first = first
        self.last = last
        region = .passUnretained(mapped)
        kind = mapped.region.kind
        let offset =
            mapped.region.memoryOffset + Int(truncatingIfNeeded: first - mapped.base)
        logOffset = offset
        host = mapped.region.memory.map { $0.base + offset }
        log = mapped.region.memory.map { .passUnretained($0.dirtyLog) }
        canShrink = mapped.region.memory?.canShrink == true
    }
}

/// What an address space looks like at one time: flat, sorted, never changed.
final class MemoryMap: @unchecked Sendable {
    /// Every region, in the order of mapping; keeps alive what `ranges` points to.
    let regions: [MappedRegion]
    let ranges: UnsafeMutablePointer<FlatRange>
    let count: Int

    init(regions: [MappedRegion]) {
        self.regions = regions
        let flat = Self.flatten(regions)
        count = flat.count
        ranges = .allocate(capacity: flat.count)
        for (index, range) in flat.enumerated() { (ranges + index).initialize(to: range) }
    }

    deinit { ranges.deallocate() }

    /// The range that contains `address`.
    func range(at address: UInt64) -> UnsafePointer<FlatRange>? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low &+ high) >> 1
            if ranges[middle].last < address { low = middle &+ 1 } else { high = middle }
        }
        guard low < count, ranges[low].first <= address else { return nil }
        return UnsafePointer(ranges + low)
    }

    /// The region that contains `address`, if it is memory of another process.
    func remote(at address: UInt64) -> MappedRegion? {
        guard let range = range(at: address), range.pointee.kind == .remote else { return nil }
        return range.pointee.region.takeUnretainedValue()
    }

    /// Paints the regions over each other, the most important last.
    private static func flatten(_ regions: [MappedRegion]) -> [FlatRange] {
        var flat: [FlatRange] = []
        // A stable sort: of equal priorities the one mapped last stays last.
        let order = regions.enumerated().sorted {
            ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset)
        }
        for (_, mapped) in order {
            var next: [FlatRange] = []
            next.reserveCapacity(flat.count + 2)
            for range in flat {
                let below = range.region.takeUnretainedValue()
                if range.first < mapped.base {
                    next.append(
                        FlatRange(
                            below, first: range.first,
                            last: Swift.min(range.last, mapped.base &- 1)))
                }
                if range.last > mapped.last {
                    next.append(
                        FlatRange(
                            below, first: Swift.max(range.first, mapped.last &+ 1),
                            last: range.last))
                }
            }
            if mapped.region.kind != .hole {
                next.append(FlatRange(mapped, first: mapped.base, last: mapped.last))
            }
            flat = next
        }
        return flat.sorted { $0.first < $1.first }
    }
}
