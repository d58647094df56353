/// What became of a request. There is exactly one for each.
public struct BlockCompletion: Sendable {
    /// What the caller gave with the request.
    public let userData: UInt
    /// The verb of the request.
    public let operation: BlockOperation
    /// Where the request began in the image, in bytes.
    public let offset: UInt64
    /// How many bytes it asked for.
    public let length: UInt64
    /// How many bytes were moved: all of `length`, or less with a ``failure``; 0 for a discard that
    /// did nothing, see ``effect``.
    public let transferred: UInt64
    /// `nil` on success.
    public let failure: BlockError.Code?
    /// The errno behind the failure, 0 when the library itself refused.
    public let errno: CInt
    /// For a discard and for zeroes: what a later read of the range returns.
    public let effect: RangeEffect

    /// Whether the whole request was done.
    @inlinable public var isSuccess: Bool { failure == nil }

    /// The number of bytes moved, or the failure as an error that names range and image.
    @discardableResult
    public func get(on image: BlockImage) throws(BlockError) -> Int {
        guard let failure else { return Int(transferred) }
        let (end, overflow) = offset.addingReportingOverflow(length)
        throw BlockError(
            failure, errno: errno, operation: operation,
            range: operation == .flush || operation == .resize
                ? nil : offset..<(overflow ? .max : end), image: image.path)
    }
}
