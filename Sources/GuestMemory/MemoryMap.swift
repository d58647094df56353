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

/// The ranges of a map, in order. For those who hold the map; without a reference count.
struct FlatRanges {
    let first: UnsafePointer<FlatRange>
    let count: Int

    /// The range that contains `address`.
    func range(at address: UInt64) -> UnsafePointer<FlatRange>? {
        var low = 0
        var high = count
        while low < high {
            let middle = (low &+ high) >> 1
            if first[middle].last < address { low = middle &+ 1 } else { high = middle }
        }
        guard low < count, first[low].first <= address else { return nil }
        return first + low
    }
}

/// What an address space looks like at one time: flat, sorted, never changed.
final class MemoryMap: @unchecked Sendable {
    /// Every region, in the order of mapping; keeps alive what `ranges` points to.
    let regions: [MappedRegion]
    let ranges: FlatRanges

    init(regions: [MappedRegion]) {
        self.regions = regions
        let flat = Self.flatten(regions)
        let first = UnsafeMutablePointer<FlatRange>.allocate(capacity: flat.count)
        for (index, range) in flat.enumerated() { (first + index).initialize(to: range) }
        ranges = FlatRanges(first: first, count: flat.count)
    }

    deinit { ranges.first.deallocate() }

    /// The range that contains `address`.
    func range(at address: UInt64) -> UnsafePointer<FlatRange>? { ranges.range(at: address) }

    /// The region that contains `address`, if it is memory of another process.
    func remote(at address: UInt64) -> MappedRegion? {
        guard let range = range(at: address), range.pointee.kind == .remote else { return nil }
        return range.pointee.region.takeUnretainedValue()
    }

    /// Paints the regions over each other, the most important last.
    private static func flatten(_ regions: [MappedRegion]) -> [FlatRange] {
        // In the order of addresses, none over another, at all times.
        var flat: [FlatRange] = []
        // A stable sort: of equal priorities the one mapped last stays last.
        let order = regions.enumerated().sorted {
            ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset)
        }
        for (_, mapped) in order {
            let start = flat.partition { $0.last >= mapped.base }
            let end = flat.partition { $0.first > mapped.last }
            var visible: [FlatRange] = []
            if start < end, flat[start].first < mapped.base {
                visible.append(flat[start].part(flat[start].first, mapped.base &- 1))
            }
            if mapped.region.kind != .hole {
                visible.append(FlatRange(mapped, first: mapped.base, last: mapped.last))
            }
            if start < end, flat[end - 1].last > mapped.last {
                visible.append(flat[end - 1].part(mapped.last &+ 1, flat[end - 1].last))
            }
            flat.replaceSubrange(start..<end, with: visible)
        }
        return flat
    }
}

extension FlatRange {
    /// What is seen of it from `first` to `last`.
    fileprivate func part(_ first: UInt64, _ last: UInt64) -> FlatRange {
        FlatRange(region.takeUnretainedValue(), first: first, last: last)
    }
}

extension [FlatRange] {
    /// The first for which `isBehind` holds, as it does for all after that; `count` when there is none.
    fileprivate func partition(_ isBehind: (FlatRange) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBehind(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
