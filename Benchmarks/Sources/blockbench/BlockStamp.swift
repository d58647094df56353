import Glibc

/// What `--verify` writes into a block: 32 bytes of magic, run, address and generation, and then
/// up to its end numbers that follow from these, so that not a byte can change unseen.
struct BlockStamp: Equatable {
    /// Chosen at random for each run, so that what an earlier one left is not taken for ours.
    var run: UInt64
    /// Where the block begins in the target.
    var address: UInt64
    /// Larger for every write of the run.
    var generation: UInt64

    /// Bytes; the first piece of a block holds all of it.
    static let headerLength = 32
    private static let magic = UInt64(littleEndian: 0x6863_6e65_626b_6c62)  // "blkbench"

    private static let headerWords = headerLength / 8

    private var seed: UInt64 {
        SplitMix64.mixed(run ^ SplitMix64.mixed(address ^ SplitMix64.mixed(generation)))
    }

    /// Writes it into a block that lies in `pieces`.
    func write(to pieces: UnsafeBufferPointer<iovec>) {
        var word = seed
        for piece in pieces {
            for index in piece.words.indices {
                piece.words[index] = word
                word &+= SplitMix64.increment
            }
        }
        let header = pieces[0].words
        header[0] = Self.magic
        header[1] = run
        header[2] = address
        header[3] = generation
    }

    /// What differs in the block that lies in `pieces`, as the rest of a sentence; `nil` when
    /// nothing does.
    func difference(in pieces: UnsafeBufferPointer<iovec>) -> String? {
        let header = pieces[0].words
        if header[0] != Self.magic { return "carries no stamp" }
        if header[1] != run { return "carries the stamp of another run" }
        if header[2] != address { return "carries the stamp of the block at byte \(header[2])" }
        if header[3] != generation {
            return "carries generation \(header[3]), but \(generation) was written last"
        }
        return differenceInFill(of: pieces)
    }

    private func differenceInFill(of pieces: UnsafeBufferPointer<iovec>) -> String? {
        var position = Self.headerWords
        var first = Self.headerWords
        for piece in pieces {
            let words = UnsafeMutableBufferPointer(rebasing: piece.words[first...])
            let start = seed &+ UInt64(position) &* SplitMix64.increment
            if Self.differs(words, from: start) {
                let index = zip(words.indices, words).first { index, word in
                    word != start &+ UInt64(index) &* SplitMix64.increment
                }
                return "differs from byte \((position + (index?.0 ?? 0)) * 8) of the block on"
            }
            position += words.count
            first = 0
        }
        return nil
    }

    /// Without an early end, which keeps compilers from comparing several words at a time.
    private static func differs(
        _ words: UnsafeMutableBufferPointer<UInt64>, from start: UInt64
    ) -> Bool {
        var expected = start
        var difference: UInt64 = 0
        for word in words {
            difference |= word ^ expected
            expected &+= SplitMix64.increment
        }
        return difference != 0
    }
}

extension iovec {
    /// The piece as 8-byte words; `--verify` admits only pieces that are whole ones.
    fileprivate var words: UnsafeMutableBufferPointer<UInt64> {
        UnsafeMutableRawBufferPointer(start: iov_base, count: iov_len)
            .assumingMemoryBound(to: UInt64.self)
    }
}
