import Glibc

/// Tells cheaply that the elements of a list do not overlap, as is nearly always so: no two of them
/// touch the same granule of host memory. The granule is as large as the longest element, so that
/// none touches more than two.
struct OverlapFilter: ~Copyable {
    /// Granule numbers plus one, in an open hash table of four slots an element.
    private var table: UnsafeMutablePointer<UInt>?
    private var capacity = 0

    init() {}

    deinit { table?.deallocate() }

    /// False when no two elements overlap; true when they may.
    mutating func mayOverlap(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
        var longest = 4096
        for vector in vectors where vector.iov_base != nil {
            longest = Swift.max(longest, vector.iov_len)
        }
        let shift = UInt(Int.bitWidth - (longest - 1).leadingZeroBitCount)
        let bits = UInt(Int.bitWidth - (vectors.count * 4 - 1).leadingZeroBitCount)
        reserve(1 << bits)
        let table = table.unsafelyUnwrapped
        memset(table, 0, 8 << bits)
        let mask: UInt = (1 << bits) &- 1
        for index in 0..<vectors.count {
            guard let base = vectors[index].iov_base else { continue }
            let start = UInt(bitPattern: base)
            let first = start &>> shift
            let last = (start &+ UInt(bitPattern: vectors[index].iov_len) &- 1) &>> shift
            if !Self.insert(first &+ 1, table, mask, bits) { return true }
            if last != first, !Self.insert(last &+ 1, table, mask, bits) { return true }
        }
        return false
    }

    /// False when it was there.
    @inline(__always)
    private static func insert(
        _ key: UInt, _ table: UnsafeMutablePointer<UInt>, _ mask: UInt, _ bits: UInt
    ) -> Bool {
        // Fibonacci hashing; linear probing.
        var slot = (key &* 0x9E37_79B9_7F4A_7C15) &>> (64 &- bits)
        while true {
            let entry = table[Int(bitPattern: slot)]
            if entry == 0 { break }
            if entry == key { return false }
            slot = (slot &+ 1) & mask
        }
        table[Int(bitPattern: slot)] = key
        return true
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
