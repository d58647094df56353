/// How ``BlockQueue/writeZeroes(at:length:options:userData:)`` may write zeroes.
public struct ZeroOptions: OptionSet, Sendable, Hashable {
    /// The options as bits.
    public let rawValue: UInt8
    /// The options that these bits stand for.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The storage of the range is not needed any more: the queue asks the host to give it back, as
    /// a discard does, and the range reads as zeroes in any case.
    public static let unmap = ZeroOptions(rawValue: 1 << 0)
    /// The request fails with ``BlockError/Code/unsupported`` where buffers of zeroes would have to
    /// be written, which is no faster than a write.
    public static let noFallback = ZeroOptions(rawValue: 1 << 1)
    /// The zeroes are on stable storage when the request completes, as what a write with
    /// ``WriteDurability/forceUnitAccess`` has written.
    public static let forceUnitAccess = ZeroOptions(rawValue: 1 << 2)
}
