/// Steele, Lea and Flood's generator (OOPSLA 2014): a few instructions a number, and good enough
/// to choose blocks and to fill buffers.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    /// The golden ratio's fraction, an odd number without pattern.
    static let increment: UInt64 = 0x9e37_79b9_7f4a_7c15

    init(state: UInt64) { self.state = state }

    mutating func next() -> UInt64 {
        state &+= Self.increment
        return Self.mixed(state)
    }

    /// From 0 to `limit` - 1; its bias is below 2^-32 for ranges of up to 2^32 blocks.
    mutating func next(below limit: UInt64) -> UInt64 {
        next().multipliedFullWidth(by: limit).high
    }

    /// A bijection whose results look unrelated for arguments next to each other.
    static func mixed(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// Fills whole 8-byte words of `buffer`.
    mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) {
        for word in buffer.bindMemory(to: UInt64.self).indices {
            buffer.storeBytes(of: next(), toByteOffset: word * 8, as: UInt64.self)
        }
    }
}
