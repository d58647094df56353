import Glibc

/// Knows what every block of the tested range must hold: the generation of the last write that
/// completed. It is exact because a block has one request in flight at most.
///
/// A block whose content is not known, because a write of it failed or because it has already
/// been found wrong, is not checked until it has been written again; so each alteration counts
/// once.
final class Verifier {
    private let base: UInt64
    private let blockSize: Int
    private let run: UInt64
    /// By block: the generation, 0 for unknown, and ``inFlight``.
    private let table: UnsafeMutableBufferPointer<UInt64>
    /// By slot: the generation being written.
    private let writing: UnsafeMutableBufferPointer<UInt64>
    private let newest: UnsafeMutablePointer<UInt64>

    private static let inFlight: UInt64 = 1 << 63

    /// For a range of `blocks` from byte `base` on, and up to `depth` requests at one time.
    init(base: UInt64, blocks: Int, blockSize: Int, depth: Int) {
        self.base = base
        self.blockSize = blockSize
        run = .random(in: 1 ... .max)
        table = .allocate(capacity: blocks)
        table.initialize(repeating: 0)
        writing = .allocate(capacity: depth)
        writing.initialize(repeating: 0)
        newest = .allocate(capacity: 1)
        newest.initialize(to: 0)
    }

    deinit {
        table.deallocate()
        writing.deallocate()
        newest.deallocate()
    }

    /// How many blocks.
    var blocks: Int { table.count }

    /// Whether the block's content is known.
    func knows(_ block: Int) -> Bool { table[block] & ~Self.inFlight != 0 }

    /// False when a request for the block is in flight.
    func claim(_ block: Int) -> Bool {
        guard table[block] & Self.inFlight == 0 else { return false }
        table[block] |= Self.inFlight
        return true
    }

    /// No request for the block is in flight any more.
    func release(_ block: Int) { table[block] &= ~Self.inFlight }

    /// Puts a new generation of the block into the pieces that `slot` is going to write.
    func prepareWrite(of block: Int, slot: Int, pieces: UnsafeBufferPointer<iovec>) {
        newest.pointee += 1
        writing[slot] = newest.pointee
        stamp(of: block, generation: newest.pointee).write(to: pieces)
    }

    /// The write of `slot` has ended.
    func finishWrite(of block: Int, slot: Int, succeeded: Bool) {
        table[block] = Self.inFlight | (succeeded ? writing[slot] : 0)
    }

    /// Looks at a block that has been read into `pieces`: what is wrong with it, or `nil`.
    func check(_ block: Int, pieces: UnsafeBufferPointer<iovec>) -> String? {
        let generation = table[block] & ~Self.inFlight
        if generation == 0 { return nil }
        let stamp = stamp(of: block, generation: generation)
        guard let difference = stamp.difference(in: pieces) else { return nil }
        table[block] &= Self.inFlight
        return "the block of \(blockSize) bytes at byte \(stamp.address) \(difference)"
    }

    private func stamp(of block: Int, generation: UInt64) -> BlockStamp {
        BlockStamp(
            run: run, address: base + UInt64(block * blockSize), generation: generation)
    }
}
