/// The regions of an address space, and what is seen of them. A copy is made in constant time. A change
/// takes logarithmic time for each visible range before or after it that lies in the region's range, those
/// that hide it included; and, where regions hide each other, up to linear time for each of them in how
/// many regions reach there below those of a higher priority.
struct MapLayout {
    private var regions = RegionIndex()
    /// In the order of addresses. Where one range follows another, their regions differ.
    private(set) var visible = PersistentTree<VisibleRange>()
    /// How many of the regions are memory of other processes.
    private(set) var remoteRegions = 0
    /// How many regions have ever been added: the sequence number of the next one.
    private(set) var additions: UInt64 = 0

    mutating func add(_ mapped: MappedRegion) {
        additions += 1
        regions.insert(mapped)
        if mapped.region.kind == .remote { remoteRegions += 1 }
        let range = mapped.base...mapped.last
        guard clear(range), regions.top(in: range) === mapped else { return paint(range) }
        if mapped.region.kind == .hole { return }
        visible.insert(VisibleRange(region: mapped, range)) { $0.side(range) }
    }

    /// False when the region is not there.
    mutating func remove(_ mapped: MappedRegion) -> Bool {
        guard regions.remove(mapped) else { return false }
        if mapped.region.kind == .remote { remoteRegions -= 1 }
        let range = mapped.base...mapped.last
        if !clear(range) || regions.top(in: range) != nil { paint(range) }
        return true
    }

    /// The usual case of a change, and cheaper than to paint: makes nothing visible in `range`, if that
    /// takes the removal of one whole range at most. False otherwise.
    private mutating func clear(_ range: ClosedRange<GuestAddress>) -> Bool {
        guard let seen = visible.find({ $0.side(range) }) else { return true }
        guard seen.first == range.lowerBound, seen.last == range.upperBound else { return false }
        visible.remove { $0.side(range) }
        return true
    }

    /// Finds out anew what is seen in `range`.
    private mutating func paint(_ range: ClosedRange<GuestAddress>) {
        let after: PersistentTree<VisibleRange>
        (visible, after) = visible.cut(at: range.lowerBound)
        // From the lowest address on; what comes later is below on the stack.
        var open: [(range: ClosedRange<GuestAddress>, seen: MappedRegion?)] = [(range, nil)]
        while let (range, seen) = open.popLast() {
            if let seen {
                visible.extend(VisibleRange(region: seen, range))
                continue
            }
            guard let top = regions.top(in: range) else { continue }
            let part = range.clamped(to: top.base...top.last)
            if part.upperBound < range.upperBound {
                open.append((part.upperBound &+ 1...range.upperBound, nil))
            }
            if top.region.kind != .hole { open.append((part, top)) }
            if range.lowerBound < part.lowerBound {
                open.append((range.lowerBound...part.lowerBound &- 1, nil))
            }
        }
        guard range.upperBound < .max else { return }
        var rest = after.cut(at: range.upperBound &+ 1).after
        guard let next = rest.first else { return }
        rest.removeFirst()
        visible.extend(next)
        visible.append(rest)
    }
}

extension PersistentTree<VisibleRange> {
    /// Divides it in front of `address`, and the range that contains it too.
    fileprivate func cut(at address: GuestAddress) -> (before: Self, after: Self) {
        var (before, after) = split { $0.last < address }
        guard let crossing = after.first, crossing.first < address else { return (before, after) }
        let region = crossing.region
        before.append(VisibleRange(region: region, crossing.first...address &- 1))
        after.removeFirst()
        return (
            before,
            Self(.init(), VisibleRange(region: region, address...crossing.last), after)
        )
    }

    /// Adds a range at the end, or makes the last one longer if it is the same region's.
    fileprivate mutating func extend(_ range: VisibleRange) {
        guard let last, last.region === range.region, last.last &+ 1 == range.first else {
            return append(range)
        }
        removeLast()
        append(VisibleRange(region: range.region, last.first...range.last))
    }
}
