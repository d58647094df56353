import Glibc

/// SplitMix64 (Steele, Lea and Flood, 2014): its whole state is the seed, so a run can be repeated.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    /// A generator that begins at `seed`.
    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number in a range.
    mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &self)
    }
}

/// The seed of this run.
enum Seed {
    /// BLOCKIO_SEED (decimal, or hexadecimal after 0x), or else another one in each run. Failures
    /// print it.
    static let value: UInt64 = {
        guard let text = getenv("BLOCKIO_SEED").map({ String(cString: $0) }) else {
            return UInt64.random(in: 0...(.max))
        }
        let parsed =
            text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
        guard let parsed else { preconditionFailure("BLOCKIO_SEED is no number: \(text)") }
        return parsed
    }()

    /// As BLOCKIO_SEED takes it.
    static var text: String { "0x" + String(value, radix: 16) }
}
