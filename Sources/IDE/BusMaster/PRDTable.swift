import GuestMemory

/// A descriptor table as it was when a transfer began (SFF-8038i 1.2): 8 bytes an entry, copied
/// once, so that a guest that rewrites it meanwhile changes nothing.
///
/// `@safe`, because it counts no more than ``maximumEntries``, for which it has room until it is
/// destroyed, whatever a guest writes into its table.
@safe struct PRDTable: ~Copyable {
    /// How the bytes that a table describes compare with what a command needs.
    enum Extent: UInt8 {
        /// It describes less.
        case shorter
        /// As much as is needed.
        case exact
        /// More; what is beyond is not used.
        case longer
    }

    /// A table without an end mark ends after this many entries, which are 4096 bytes.
    static let maximumEntries = 512
    private static let entrySize = 8
    /// In bytes.
    static let maximumSize = maximumEntries * entrySize
    /// Entries read at a time; the last ones of a table may be the last of the memory.
    private static let chunk = 32

    private let entries: UnsafeMutablePointer<UInt64>
    /// Bytes of the table that were fetched from another process before the table is read; `nil`
    /// when none were.
    private var fetched: Int?
    /// How many entries there are.
    private(set) var count = 0
    /// How many bytes they describe.
    private var bytes: UInt64 = 0

    init() {
        // Aligned, so that a table is copied by words wherever the allocator puts this.
        unsafe entries = unsafe UnsafeMutableRawPointer.allocate(
            byteCount: Self.maximumSize, alignment: 64
        ).bindMemory(to: UInt64.self, capacity: Self.maximumEntries)
        unsafe entries.initialize(repeating: 0, count: Self.maximumEntries)
    }

    deinit { unsafe entries.deallocate() }

    /// The entries that were read: address in the low half, flags and size in the high.
    var saved: [UInt64] { (0..<count).map { unsafe UInt64(littleEndian: entries[$0]) } }

    /// Copies the table at `address` up to its end, and lists what it describes.
    mutating func read(
        at address: UInt32, through mapper: DMAMapper, into list: inout ScatterGatherList
    ) throws(GuestMemoryError) {
        clear(&list)
        if let fetched {
            self.fetched = nil
            if describe(min(fetched / Self.entrySize, Self.maximumEntries), in: &list) { return }
        }
        while count < Self.maximumEntries {
            let place = GuestAddress(address) &+ UInt64(count &* Self.entrySize)
            do throws(GuestMemoryError) {
                let limit = min(Self.chunk, Self.maximumEntries &- count)
                let number = try read(limit, at: place, through: mapper)
                if describe(number, in: &list) { return }
            } catch {
                // Memory that was truncated (EFAULT) is lost for good.
                guard error.code != .system else { throw error }
                // The table may end before the last of these entries, and memory with it.
                let number = try read(1, at: place, through: mapper)
                if describe(number, in: &list) { return }
            }
        }
    }

    // MARK: Memory of other processes

    /// Whether the table has been fetched.
    var isFetched: Bool { fetched != nil }

    /// Carries out the steps of the transfer that fetches the table, until it waits or is complete.
    func fetch(_ step: DMAStep, of transfer: DMATransfer) -> DMAStep {
        unsafe transfer.copyPieces(
            from: step, UnsafeMutableRawBufferPointer(start: entries, count: Self.maximumSize))
    }

    /// The first `count` bytes have been fetched, and the next read begins with them; `nil` drops
    /// them.
    mutating func setFetched(_ count: Int?) { fetched = count }

    /// Reads up to `limit` entries, at least one, and returns how many.
    private func read(
        _ limit: Int, at place: GuestAddress, through mapper: DMAMapper
    ) throws(GuestMemoryError) -> Int {
        let bytes = unsafe UnsafeMutableRawBufferPointer(
            start: entries + count, count: limit &* Self.entrySize)
        let count = unsafe try mapper.readAhead(at: place, into: bytes, unit: Self.entrySize)
        return count / Self.entrySize
    }

    // MARK: What it describes

    /// Lists it again, as it was read.
    mutating func list(in list: inout ScatterGatherList) {
        let number = count
        clear(&list)
        _ = describe(number, in: &list)
    }

    private mutating func clear(_ list: inout ScatterGatherList) {
        count = 0
        bytes = 0
        list.removeAll()
    }

    /// Adds up to `number` entries, which have been read, to the list; true when one of them ends the
    /// table.
    private mutating func describe(_ number: Int, in list: inout ScatterGatherList) -> Bool {
        guard number > 0 else { return false }
        var isEnded = false
        unsafe list.append(atMost: number) { elements in
            // Local variables, which can be in registers.
            var word = unsafe UnsafeRawPointer(entries + count).assumingMemoryBound(to: UInt32.self)
            let end = unsafe word + 2 &* number
            var element = unsafe elements
            var sum: UInt64 = 0
            var flags: UInt32
            repeat {
                // Bits 31:1 of the first word; bits 15:1 of the second, 0 for 64 KiB.
                let address = unsafe UInt32(littleEndian: word[0]) & 0xFFFF_FFFE
                flags = unsafe UInt32(littleEndian: word[1])
                let length = (flags &- 2) & 0xFFFE &+ 2
                unsafe element.initialize(
                    to: .init(address: GuestAddress(address), length: UInt64(length)))
                sum &+= UInt64(length)
                unsafe word += 2
                unsafe element += 1
                // Bit 31 of the second word: end of table.
            } while unsafe flags >> 31 == 0 && word < end
            isEnded = flags >> 31 != 0
            bytes &+= sum
            unsafe count &+= element - elements
            return unsafe element - elements
        }
        return isEnded
    }

    /// Leaves of the list the first `needed` bytes.
    func cut(_ list: inout ScatterGatherList, to needed: UInt64) -> Extent {
        guard bytes >= needed else { return .shorter }
        let excess = bytes &- needed
        if excess > 0 { list.removeLast(bytes: excess) }
        // The bus moves words: an odd number of bytes fills one more.
        return excess > needed & 1 ? .longer : .exact
    }

    /// How many bytes the entries of a saved table describe, up to the one that ends the table.
    static func bytes(described entries: [UInt64]) -> UInt64 {
        var sum: UInt64 = 0
        for entry in entries {
            sum &+= (entry >> 32 &- 2) & 0xFFFE &+ 2
            if entry >> 63 != 0 { break }
        }
        return sum
    }

    mutating func load(_ saved: [UInt64]) {
        count = min(saved.count, Self.maximumEntries)
        for index in 0..<count { unsafe entries[index] = saved[index].littleEndian }
    }
}
