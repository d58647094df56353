/// What a later read of a discarded range returns.
public enum RangeEffect: UInt8, Sendable, Hashable {
    /// The device does not say: zeroes, the old data or something else.
    case unknown
    /// Zeroes.
    case zeroes
    /// The data that was there: the medium cannot discard, and nothing was done.
    case oldData
}
