// @usableFromInline: inlinable code of other targets draws numbers.
/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): its
/// whole state is the seed, so that a run can be repeated. Not for secrets.
@usableFromInline package struct SplitMix64: RandomNumberGenerator, Sendable {
    @usableFromInline var state: UInt64

    /// A generator that begins at `seed`.
    @inlinable package init(seed: UInt64) { state = seed }

    @inlinable package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, but not including, 1.
    @inlinable package mutating func nextUnit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
