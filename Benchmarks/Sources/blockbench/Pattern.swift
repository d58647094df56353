/// What the requests do and where they go.
enum Pattern: String, CaseIterable, Sendable {
    /// Reads at random places.
    case randread
    /// Writes at random places.
    case randwrite
    /// Half reads, half writes, at random places.
    case randrw
    /// Reads one block after the other, from the start again at the end.
    case seqread
    /// Writes one block after the other.
    case seqwrite
    /// One block after the other, each read or written with even chances.
    case readwrite

    /// Whether places are random.
    var isRandom: Bool { [.randread, .randwrite, .randrw].contains(self) }
    /// Whether it writes at all.
    var writes: Bool { ![.randread, .seqread].contains(self) }
    /// Whether it reads at all.
    var reads: Bool { ![.randwrite, .seqwrite].contains(self) }
}

/// A request as the pattern has it: which block, and which way.
struct Access {
    var block: Int
    var isWrite: Bool
}

/// The blocks of a range in the order of a ``Pattern``.
///
/// The same seed gives the same sequence, so that all engines do the same work.
struct AccessSequence {
    private let pattern: Pattern
    private let blocks: UInt64
    private var left: UInt64
    private var position: UInt64 = 0
    private var random: SplitMix64

    /// Without end.
    init(_ pattern: Pattern, blocks: Int, seed: UInt64) {
        self.init(pattern, blocks: blocks, seed: seed, count: .max)
    }

    /// Each block once, in order.
    static func sweep(blocks: Int, writing: Bool) -> AccessSequence {
        AccessSequence(
            writing ? .seqwrite : .seqread, blocks: blocks, seed: 0, count: UInt64(blocks))
    }

    private init(_ pattern: Pattern, blocks: Int, seed: UInt64, count: UInt64) {
        self.pattern = pattern
        self.blocks = UInt64(blocks)
        left = count
        random = SplitMix64(state: seed)
    }

    /// `nil` at the end.
    mutating func next() -> Access? {
        guard left > 0 else { return nil }
        left &-= 1
        let block: UInt64
        if pattern.isRandom {
            block = random.next(below: blocks)
        } else {
            block = position
            position = position &+ 1 == blocks ? 0 : position &+ 1
        }
        let isWrite = pattern.writes && (!pattern.reads || random.next() & 1 == 0)
        return Access(block: Int(block), isWrite: isWrite)
    }
}
