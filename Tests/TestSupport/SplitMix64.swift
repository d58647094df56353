import BlockHost
import Glibc

/// The generator of the library: its whole state is the seed, so a run can be repeated.
typealias SplitMix64 = BlockHost.SplitMix64

extension SplitMix64 {
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
