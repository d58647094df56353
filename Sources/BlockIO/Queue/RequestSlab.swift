import Glibc

/// The memory of a queue's slots, in chunks whose addresses never change. When all are taken another
/// chunk is added, and counted: a queue never refuses a request for want of a slot. Chunks that a crowd
/// of requests has left are given back to the system.
///
/// A slot is initialized before it is given to ``FreeSlots``, and a chunk is given back only when all its slots
/// have been taken out of there: so a ``RequestPointer`` is safe to use.
struct RequestSlab: ~Copyable {
    /// First slots of the chunks, highest address first: the order in which mmap(2) gives them.
    private var chunks: [RequestPointer] = []
    /// Chunks added after the first because all slots were taken.
    private(set) var growths = -1
    /// Slots of chunks that are given back never see these generations again.
    private var firstGeneration: UInt32 = 0
    /// With so many requests or fewer it is worth a look whether chunks can be given back.
    private var trimLimit = 0

    private static let slotsOfChunk = 256
    /// Kept in any case.
    private static let keptSlots = 4096
    private static var chunkBytes: Int { slotsOfChunk * MemoryLayout<IORequest>.stride }

    init() {
        precondition(
            IORequest.isLaidOutAsAssumed && WriteTicket.isLaidOutAsAssumed,
            "the parts of a slot or of a ticket are not where they are assumed to be")
    }

    deinit { for chunk in chunks { unsafe Self.giveBack(chunk) } }

    private var capacity: Int { chunks.count * Self.slotsOfChunk }

    mutating func addChunk(to free: inout FreeSlots) {
        // Not by malloc(3), whose heap would keep it.
        let memory = unsafe mmap(
            nil, Self.chunkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            fatalError("no memory for \(Self.slotsOfChunk) requests")
        }
        let first = unsafe memory.bindMemory(to: IORequest.self, capacity: Self.slotsOfChunk)
        var slot = IORequest()
        slot.generation = firstGeneration
        unsafe first.initialize(repeating: slot, count: Self.slotsOfChunk)
        for index in (0..<Self.slotsOfChunk).reversed() {
            free.give(back: unsafe RequestPointer(first + index))
        }
        let chunk = unsafe RequestPointer(first)
        chunks.insert(chunk, at: chunkIndex(of: chunk.address))
        growths += 1
        trimLimit = capacity / 4
    }

    /// The slot at an address, if there still is one.
    func request(at address: UInt) -> RequestPointer? {
        let index = chunkIndex(of: address)
        guard index < chunks.count else { return nil }
        let offset = address &- chunks[index].address
        let stride = UInt(MemoryLayout<IORequest>.stride)
        guard offset < UInt(Self.chunkBytes), offset % stride == 0 else { return nil }
        return unsafe RequestPointer(chunks[index].base + Int(offset / stride))
    }

    /// How many chunks begin behind an address: the index of the one it is in.
    private func chunkIndex(of address: UInt) -> Int {
        var low = 0
        var high = chunks.count
        while low < high {
            let middle = (low + high) / 2
            if chunks[middle].address > address {
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
        if outstanding <= trimLimit && capacity > Self.keptSlots {
            giveBackUnused(&free, outstanding)
        }
    }

    @inline(never)
    private mutating func giveBackUnused(_ free: inout FreeSlots, _ outstanding: Int) {
        // A look costs a walk over the free slots: the next one when there are again far fewer.
        trimLimit = outstanding / 4
        var unused = [Int](repeating: 0, count: chunks.count)
        var slots = FreeSlots()
        swap(&slots, &free)
        var slot = slots.first
        while let request = slot {
            unused[chunkIndex(of: request.address)] += 1
            slot = request.pointee.next
        }
        var keptSlots = 0
        let isKept = unused.map { count in
            let isKept = count < Self.slotsOfChunk || keptSlots < Self.keptSlots
            if isKept { keptSlots += Self.slotsOfChunk }
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
    }

    @unsafe
    private static func giveBack(_ chunk: RequestPointer) {
        unsafe chunk.base.deinitialize(count: slotsOfChunk)
        unsafe munmap(chunk.base, chunkBytes)
    }
}
