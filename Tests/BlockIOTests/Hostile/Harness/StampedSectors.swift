import BlockIO
@testable import TestSupport

/// Sectors that say of themselves by which write they were written, in each of their words, so that
/// one that is half of this write and half of that gives itself away.
enum StampedSectors {
    /// The size of a sector in bytes.
    static let size = 512
    private static let words = size / 8

    /// Fills whole sectors that go to the image from sector `first` on.
    static func stamp(
        _ buffer: UnsafeMutableRawBufferPointer, first: Int, sequence: UInt64
    ) {
        let target = buffer.bindMemory(to: UInt64.self)
        for index in 0..<buffer.count / size {
            let base = word(sector: first + index, sequence: sequence)
            let start = index * words
            target[start] = sequence
            for position in 1..<words { target[start + position] = base &+ UInt64(position) }
        }
    }

    /// The write that a sector is from, 0 for none at all (zeroes); `nil` when it is torn, or not
    /// what belongs there.
    static func sequence(of buffer: UnsafeMutableRawBufferPointer, sector: Int) -> UInt64? {
        let source = buffer.bindMemory(to: UInt64.self)
        let sequence = source[0]
        let base = sequence == 0 ? 0 : word(sector: sector, sequence: sequence)
        for position in 1..<words {
            let expected = sequence == 0 ? 0 : base &+ UInt64(position)
            if source[position] != expected { return nil }
        }
        return sequence
    }

    private static func word(sector: Int, sequence: UInt64) -> UInt64 {
        var mix = SplitMix64(seed: sequence &* 0x1_0001 &+ UInt64(sector))
        return mix.next()
    }
}
