import Glibc

/// The memory of a queue's slots, in chunks whose addresses never change. When all are taken another
/// chunk is added, and counted: a queue never refuses a request for want of a slot. Chunks that a crowd
/// of requests has left are given back to the system.
///
/// A slot is initialized before it is given to ``FreeSlots``, and a chunk is given back only when all its slots
/// have been taken out of there: so a ``RequestPointer`` is safe to use.
struct RequestSlab: ~Copyable {
    private struct Chunk {
        /// Its first slot.
        let first: RequestPointer
        let slots: Int
    }

    /// Highest address first: the order in which mmap(2) gives them.
    private var chunks: [Chunk] = []
    private var capacity = 0
    /// Chunks added beyond the slots that are kept in any case.
    private(set) var growths = 0
    /// Slots of chunks that are given back never see these generations again.
    private var firstGeneration: UInt32 = 0
    /// With so many requests or fewer it is worth a look whether chunks can be given back; -1 when there are
    /// none to give back.
    private var trimLimit = -1

    /// The first chunk is a page. Each chunk after it doubles the number of slots, up to this many pages.
    private static let mostPages = 16
    /// The most slots that are kept in any case: those of the first six chunks.
    private static let keptSlots = 32 * pageSize / MemoryLayout<IORequest>.stride
    private static let pageSize = Int(getpagesize())

    init() {
        precondition(
            IORequest.isLaidOutAsAssumed && WriteTicket.isLaidOutAsAssumed,
            "the parts of a slot or of a ticket are not where they are assumed to be")
    }

    deinit { for chunk in chunks { unsafe Self.giveBack(chunk) } }

    /// The memory that a chunk of so many slots takes.
    private static func byteCount(_ slots: Int) -> Int {
        let bytes = slots * MemoryLayout<IORequest>.stride
        return (bytes + pageSize - 1) / pageSize * pageSize
    }

    mutating func addChunk(to free: inout FreeSlots) {
        // Not by malloc(3), whose heap would keep it.
        let pages = min(Self.mostPages, max(1, Self.byteCount(capacity) / Self.pageSize))
        let slots = pages * Self.pageSize / MemoryLayout<IORequest>.stride
        let memory = unsafe mmap(
            nil, pages * Self.pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            fatalError("no memory for \(slots) requests")
        }
        let first = unsafe memory.bindMemory(to: IORequest.self, capacity: slots)
        var slot = IORequest()
        slot.generation = firstGeneration
        unsafe first.initialize(repeating: slot, count: slots)
        for index in (0..<slots).reversed() {
            free.give(back: unsafe RequestPointer(first + index))
        }
        let chunk = unsafe Chunk(first: RequestPointer(first), slots: slots)
        chunks.insert(chunk, at: chunkIndex(of: chunk.first.address))
        capacity += slots
        if capacity > Self.keptSlots { growths += 1 }
        setTrimLimit(capacity / 4)
    }

    /// The slot at an address, if there still is one.
    func request(at address: UInt) -> RequestPointer? {
        let index = chunkIndex(of: address)
        guard index < chunks.count else { return nil }
        let chunk = chunks[index]
        let offset = address &- chunk.first.address
        let stride = UInt(MemoryLayout<IORequest>.stride)
        guard offset < UInt(chunk.slots) * stride, offset % stride == 0 else { return nil }
        return unsafe RequestPointer(chunk.first.base + Int(offset / stride))
    }

    /// How many chunks begin behind an address: the index of the one it is in.
    private func chunkIndex(of address: UInt) -> Int {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].first.address > address {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low
    }

    /// Gives back chunks that no request is in, once far fewer requests are open than there were.
    @inline(__always)
    mutating func trim(_ free: inout FreeSlots, outstanding: Int) {
        if outstanding <= trimLimit { giveBackUnused(&free, outstanding) }
    }

    private mutating func setTrimLimit(_ limit: Int) {
        trimLimit = capacity > Self.keptSlots ? limit : -1
    }

    @inline(never)
    private mutating func giveBackUnused(_ free: inout FreeSlots, _ outstanding: Int) {
        var unused = [Int](repeating: 0, count: chunks.count)
        var slots = FreeSlots()
        swap(&slots, &free)
        var slot = slots.first
        while let request = slot {
            unused[chunkIndex(of: request.address)] += 1
            slot = request.pointee.next
        }
        var keptSlots = 0
        let isKept = zip(chunks, unused).map { chunk, count in
            let isKept = count < chunk.slots || keptSlots + chunk.slots <= Self.keptSlots
            if isKept { keptSlots += chunk.slots }
            return isKept
        }
        while let request = slots.take() {
            if isKept[chunkIndex(of: request.address)] {
                free.give(back: request)
            } else {
                firstGeneration = max(firstGeneration, request.pointee.generation &+ 1)
            }
        }
        for (chunk, isKept) in zip(chunks, isKept) where !isKept { unsafe Self.giveBack(chunk) }
        chunks = zip(chunks, isKept).filter(\.1).map(\.0)
        capacity = keptSlots
        // A look costs a walk over the free slots: the next one when there are again far fewer.
        setTrimLimit(outstanding / 4)
    }

    @unsafe
    private static func giveBack(_ chunk: Chunk) {
        unsafe chunk.first.base.deinitialize(count: chunk.slots)
        unsafe munmap(chunk.first.base, byteCount(chunk.slots))
    }
}
