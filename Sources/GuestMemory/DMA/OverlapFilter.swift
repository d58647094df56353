import Glibc

/// Tells cheaply that the elements of a list do not overlap, as is nearly always so: no two of them
/// touch the same granule of host memory.
struct OverlapFilter: ~Copyable {
    /// Granules in an open hash table of four slots an element; 0 is a free slot.
    private var table: UnsafeMutablePointer<UInt32>?
    private var capacity = 0

    init() {}

    deinit { table?.deallocate() }

    /// False when no two elements overlap; true when they may.
    mutating func mayOverlap(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
        // As large as the longest, so that none touches more than two.
        var longest = 4096
        for vector in vectors where vector.iov_base != nil {
            longest = Swift.max(longest, vector.iov_len)
        }
        let shift = UInt(Int.bitWidth - (longest - 1).leadingZeroBitCount)
        let slots = Slots(for: vectors.count, in: &self)
        for index in 0..<vectors.count {
            guard let base = vectors[index].iov_base else { continue }
            let start = UInt(bitPattern: base)
            let first = start &>> shift
            let last = (start &+ UInt(bitPattern: vectors[index].iov_len) &- 1) &>> shift
            if !slots.insert(first) { return true }
            if last != first, !slots.insert(last) { return true }
        }
        return false
    }

    /// The same for a list whose elements each lie in a page of their own and begin with it.
    mutating func mayShareAPage(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
        let slots = Slots(for: vectors.count, in: &self)
        for vector in vectors where !slots.insert(UInt(bitPattern: vector.iov_base) &>> 12) {
            return true
        }
        return false
    }

    /// The table for one list.
    private struct Slots {
        private let table: UnsafeMutablePointer<UInt32>
        private let mask: UInt32
        private let shift: UInt32

        init(for elements: Int, in filter: inout OverlapFilter) {
            let bits = Int.bitWidth - (elements * 4 - 1).leadingZeroBitCount
            filter.reserve(1 << bits)
            table = filter.table.unsafelyUnwrapped
            // In steps below the size from which memset(3) takes `rep stosb`, which starts slowly.
            for start in stride(from: 0, to: 4 << bits, by: 2048) {
                memset(UnsafeMutableRawPointer(table) + start, 0, Swift.min(4 << bits, 2048))
            }
            mask = (1 << UInt32(bits)) &- 1
            shift = UInt32(32 - bits)
        }

        /// False when it was there, or looks like one that was.
        @inline(__always)
        func insert(_ granule: UInt) -> Bool {
            let key = UInt32(truncatingIfNeeded: granule) | 1 << 31
            // Fibonacci hashing; linear probing.
            var slot = (key &* 0x9E37_79B1) &>> shift
            while table[Int(slot)] != 0 {
                if table[Int(slot)] == key { return false }
                slot = (slot &+ 1) & mask
            }
            table[Int(slot)] = key
            return true
        }
    }

    private mutating func reserve(_ count: Int) {
        if count <= capacity { return }
        table?.deallocate()
        table = .allocate(capacity: count)
        capacity = count
    }
}

/// A set of addresses as sorted stretches that do not touch.
struct CoveredAddresses {
    private var stretches: [Range<UInt>] = []

    /// Adds a stretch; false when some of it was there.
    mutating func insert(_ added: Range<UInt>) -> Bool {
        // The first stretch that ends at or behind the start, and the first that begins behind
        // the end: what is between touches.
        let first = partition { $0.upperBound >= added.lowerBound }
        let end = partition { $0.lowerBound > added.upperBound }
        var merged = added
        var isNew = true
        for stretch in stretches[first..<end] {
            if stretch.overlaps(added) { isNew = false }
            merged =
                Swift.min(
                    merged.lowerBound, stretch.lowerBound)..<Swift.max(
                    merged.upperBound, stretch.upperBound)
        }
        stretches.replaceSubrange(first..<end, with: CollectionOfOne(merged))
        return isNew
    }

    /// The first index whose stretch has `property`, which all behind it have too.
    private func partition(_ property: (Range<UInt>) -> Bool) -> Int {
        var low = 0
        var high = stretches.count
        while low < high {
            let middle = (low + high) / 2
            if property(stretches[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
