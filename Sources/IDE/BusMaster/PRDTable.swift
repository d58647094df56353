import GuestMemory

/// A descriptor table as it was when a transfer began (SFF-8038i 1.2): 8 bytes an entry, copied
/// once, so that a guest that rewrites it meanwhile changes nothing.
struct PRDTable: ~Copyable {
    /// What a table amounts to, measured against what a command needs.
    enum Extent: UInt8 {
        /// It describes less.
        case shorter
        /// As much as is needed.
        case exact
        /// More; what is beyond is not used.
        case longer
    }

    /// A table without an end is over after so many entries: 4096 bytes.
    static let maximumEntries = 512
    private static let entrySize = 8
    /// In bytes.
    static let maximumSize = maximumEntries * entrySize
    /// Entries read at a time; the last ones of a table may be the last of the memory.
    private static let chunk = 32

    private let entries: UnsafeMutablePointer<UInt64>
    /// Bytes of the table that have been brought here before they are read; `nil` when none were asked
    /// for.
    private var fetched: Int?
    /// How many entries there are.
    private(set) var count = 0

    init() {
        entries = .allocate(capacity: Self.maximumEntries)
        entries.initialize(repeating: 0, count: Self.maximumEntries)
    }

    deinit { entries.deallocate() }

    /// The entries as they are in guest memory: address in the low half, flags and size in the high.
    var raw: UnsafeBufferPointer<UInt64> { UnsafeBufferPointer(start: entries, count: count) }

    /// Copies the table at `address` up to its end.
    mutating func read(at address: UInt32, through mapper: DMAMapper) throws(GuestMemoryError) {
        count = 0
        if let fetched {
            self.fetched = nil
            if takeUntilEnd(min(fetched / Self.entrySize, Self.maximumEntries)) { return }
        }
        while count < Self.maximumEntries {
            let place = UInt64(address) &+ UInt64(count &* Self.entrySize)
            do throws(GuestMemoryError) {
                try read(min(Self.chunk, Self.maximumEntries &- count), at: place, through: mapper)
                if takeUntilEnd(min(Self.chunk, Self.maximumEntries &- count)) { return }
            } catch {
                // Memory that is gone (EFAULT) would be zeroes the next time.
                guard error.code != .system else { throw error }
                // Not all of these need exist.
                try read(1, at: place, through: mapper)
                if takeUntilEnd(1) { return }
            }
        }
    }

    // MARK: Memory of other processes

    /// Whether the table has been brought here.
    var isFetched: Bool { fetched != nil }

    /// Brings `bytes` here, at byte `offset` of the table.
    mutating func take(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        let room = Self.maximumEntries * Self.entrySize
        guard offset >= 0, offset <= room, bytes.count <= room - offset else { return }
        UnsafeMutableRawBufferPointer(start: entries, count: room)[offset...].copyBytes(from: bytes)
    }

    /// The first `count` bytes are there, and are what the next read begins with; `nil` forgets them.
    mutating func setFetched(_ count: Int?) { fetched = count }

    private func read(
        _ number: Int, at place: UInt64, through mapper: DMAMapper
    ) throws(GuestMemoryError) {
        let bytes = UnsafeMutableRawBufferPointer(
            start: entries + count, count: number &* Self.entrySize)
        try mapper.read(at: place, into: bytes)
    }

    /// Counts up to `number` entries; true when one of them ends the table.
    private mutating func takeUntilEnd(_ number: Int) -> Bool {
        var entry = entries + count
        let end = entry + number
        // Bit 31 of the second word: end of table. Four at a time, as most do not have it.
        while end - entry >= 4, !Self.isEnd(entry[0] | entry[1] | entry[2] | entry[3]) {
            entry += 4
        }
        while entry < end {
            let value = entry.pointee
            entry += 1
            if Self.isEnd(value) {
                count = entry - entries
                return true
            }
        }
        count &+= number
        return false
    }

    private static func isEnd(_ entry: UInt64) -> Bool { UInt64(littleEndian: entry) >> 63 != 0 }

    /// Makes the list of the first `bytes` bytes that the table describes.
    func describe(_ bytes: UInt64, in list: inout ScatterGatherList) -> Extent {
        list.removeAll()
        if bytes == 0 { return count > 0 ? .longer : .exact }
        var extent = Extent.shorter
        list.fill(atMost: count) { elements in
            var used = count
            var sum: UInt64 = 0
            // All of the table: a loop without a branch costs less than to stop in time.
            for index in 0..<used {
                // Bits 31:1 of the first word; bits 15:1 of the second, 0 for 64 KiB.
                let address = word(2 &* index) & 0xFFFF_FFFE
                let length = (word(2 &* index &+ 1) &- 2) & 0xFFFE &+ 2
                elements[index] = .init(address: UInt64(address), length: UInt64(length))
                sum &+= UInt64(length)
            }
            // What is not needed goes again, and the rest is cut to size.
            if sum < bytes { return used }
            while sum &- elements[used &- 1].length >= bytes {
                used &-= 1
                sum &-= elements[used].length
            }
            elements[used &- 1].length &-= sum &- bytes
            // The bus moves words: an odd number of bytes fills one more.
            extent = used < count || sum > bytes &+ bytes & 1 ? .longer : .exact
            return used
        }
        return extent
    }

    private func word(_ index: Int) -> UInt32 {
        UInt32(
            littleEndian: UnsafeRawPointer(entries).load(
                fromByteOffset: 4 &* index, as: UInt32.self))
    }

    mutating func load(_ saved: [UInt64]) {
        count = min(saved.count, Self.maximumEntries)
        for index in 0..<count { entries[index] = saved[index].littleEndian }
    }
}
