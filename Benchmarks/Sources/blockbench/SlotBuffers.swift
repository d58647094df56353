import Glibc

/// The memory that requests read into and write from, made once for all contenders of a
/// comparison: a slot for every request in flight, a list of pieces for every slot.
///
/// No two pieces are adjacent, in a slot or across slots, so that neither the kernel nor a device
/// can make one of two.
final class SlotBuffers {
    /// How many slots.
    let depth: Int
    /// How many pieces a slot has.
    let vectors: Int
    private let memory: UnsafeMutableRawBufferPointer
    private let lists: UnsafeMutableBufferPointer<iovec>

    private static let pageSize = 4096

    init(_ work: Work) {
        depth = work.depth
        vectors = work.vectors
        memory = .allocate(byteCount: Self.footprint(of: work), alignment: Self.pageSize)
        lists = .allocate(capacity: depth * vectors)
        let stride = Self.stride(of: work)
        var random = SplitMix64(state: 1)
        for index in lists.indices {
            let start = index * stride
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: memory[start..<start + work.pieceLength])
            // Not zeros, which a device may store as nothing at all.
            random.fill(piece)
            lists.initializeElement(
                at: index, to: iovec(iov_base: piece.baseAddress, iov_len: piece.count))
        }
    }

    deinit {
        lists.deallocate()
        memory.deallocate()
    }

    /// The pieces of a slot.
    func pieces(of slot: Int) -> UnsafeBufferPointer<iovec> {
        UnsafeBufferPointer(rebasing: lists[slot &* vectors..<(slot &+ 1) &* vectors])
    }

    /// Bytes of memory that the slots take.
    static func footprint(of work: Work) -> Int { work.depth * work.vectors * stride(of: work) }

    /// From piece to piece: whole pages, and at least a byte between the pieces.
    private static func stride(of work: Work) -> Int {
        (work.pieceLength / pageSize + 1) * pageSize
    }
}
