import Glibc

// @safe: its table is freed with it, and every hash is cut to the size of the table.
/// A fast check that the elements of a list do not overlap, which is nearly always the case: no two
/// of them touch the same granule of host memory.
@safe struct OverlapFilter: ~Copyable {
    /// Granules in an open hash table of four slots an element; 0 is a free slot.
    private var table: UnsafeMutablePointer<UInt32>?
    private var capacity = 0

    init() {}

    deinit { unsafe table?.deallocate() }

    /// Returns false if no two elements overlap, and true if some may.
    mutating func mayOverlap(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
        // As large as the longest, so that none touches more than two.
        var longest = 4096
        for index in 0..<vectors.count where unsafe vectors[index].iov_base != nil {
            longest = unsafe Swift.max(longest, vectors[index].iov_len)
        }
        let shift = UInt(Int.bitWidth - (longest - 1).leadingZeroBitCount)
        var slots = Slots(for: vectors.count, in: &self)
        for index in 0..<vectors.count {
            guard let base = unsafe vectors[index].iov_base else { continue }
            let start = UInt(bitPattern: base)
            let first = start &>> shift
            let last = unsafe (start &+ UInt(bitPattern: vectors[index].iov_len) &- 1) &>> shift
            if !slots.insert(first) { return true }
            if last != first, !slots.insert(last) { return true }
        }
        return false
    }

    /// Like `mayOverlap`, for a list whose elements each lie in one page and begin where it begins.
    mutating func mayShareAPage(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
        var slots = Slots(for: vectors.count, in: &self)
        guard var vector = vectors.baseAddress else { return false }
        let end = unsafe vector + vectors.count
        while unsafe vector < end {
            if unsafe !slots.insert(UInt(bitPattern: vector.pointee.iov_base) &>> 12) {
                return true
            }
            unsafe vector += 1
        }
        return false
    }

    // @safe: it exists during one check, and `mask` keeps every index inside the table.
    /// The table for one list.
    @safe private struct Slots {
        private let table: UnsafeMutablePointer<UInt32>
        private let mask: UInt32
        private let shift: UInt32
        /// How many probes may still fail. Random addresses need a sixth of an element's; those
        /// that were chosen to meet in the table would need the square of their number.
        private var patience: Int

        init(for elements: Int, in filter: inout OverlapFilter) {
            let bits = Int.bitWidth - (elements * 4 - 1).leadingZeroBitCount
            filter.reserve(1 << bits)
            unsafe table = unsafe filter.table.unsafelyUnwrapped
            // In steps below the size from which memset(3) takes `rep stosb`, which starts slowly.
            for start in stride(from: 0, to: 4 << bits, by: 2048) {
                unsafe memset(UnsafeMutableRawPointer(table) + start, 0, Swift.min(4 << bits, 2048))
            }
            mask = (1 << UInt32(bits)) &- 1
            shift = UInt32(32 - bits)
            patience = elements * 4 + 64
        }

        /// False when it was there, or looks like one that was, or that is too much work to know.
        @inline(__always)
        mutating func insert(_ granule: UInt) -> Bool {
            let key = UInt32(truncatingIfNeeded: granule) | 1 << 31
            // Fibonacci hashing; linear probing.
            var slot = (key &* 0x9E37_79B1) &>> shift
            while unsafe table[Int(slot)] != 0 {
                if unsafe table[Int(slot)] == key || patience == 0 { return false }
                patience &-= 1
                slot = (slot &+ 1) & mask
            }
            unsafe table[Int(slot)] = key
            return true
        }
    }

    private mutating func reserve(_ count: Int) {
        if count <= capacity { return }
        unsafe table?.deallocate()
        unsafe table = .allocate(capacity: count)
        capacity = count
    }
}
