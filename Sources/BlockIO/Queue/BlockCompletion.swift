import Glibc

/// What became of a request. Each request has exactly one completion.
public struct BlockCompletion: Sendable {
    /// What the request asked for. The fast path, which is inlined into callers, sets it.
    @usableFromInline
    struct Asked: Sendable {
        @usableFromInline var userData: UInt = 0
        @usableFromInline var offset: UInt64 = 0
        @usableFromInline var length: UInt64 = 0
        @usableFromInline var operation: BlockOperation = .read
    }
    @usableFromInline var asked = Asked()

    /// The number that the caller gave with the request.
    @inlinable public var userData: UInt { asked.userData }
    /// What the request did, or was to do.
    @inlinable public var operation: BlockOperation { asked.operation }
    /// Where the request began in the image, in bytes.
    @inlinable public var offset: UInt64 { asked.offset }
    /// How many bytes it asked for.
    @inlinable public var length: UInt64 { asked.length }
    /// Bytes moved: all of `length`, or less with a ``failure``; 0 for a discard that did nothing, see
    /// ``effect``.
    public internal(set) var transferred: UInt64 = 0
    /// Why the request failed; `nil` on success.
    public internal(set) var failure: BlockError.Code?
    /// The errno behind the failure, 0 when the library itself refused; ENOSPC for a write that reaches
    /// beyond the end of a file whose size was rounded up.
    public internal(set) var errno: CInt = 0
    /// For a discard and for a write of zeroes: what a later read of the range returns.
    public internal(set) var effect: RangeEffect = .unknown

    init() {}

    /// Whether the whole request was done.
    @inlinable public var isSuccess: Bool { failure == nil }

    /// The number of bytes moved, or the failure as an error that names range and image.
    @discardableResult
    public func get(on image: BlockImage) throws(BlockError) -> Int {
        guard let failure else { return Int(transferred) }
        let (end, overflow) = offset.addingReportingOverflow(length)
        // A list of more bytes than 64 bits can count has the length `.max`.
        let hasRange = operation != .flush && operation != .resize && !overflow && length != .max
        throw BlockError(
            failure, errno: errno, operation: operation, range: hasRange ? offset..<end : nil,
            image: image.path, detail: detail(image))
    }

    private func detail(_ image: BlockImage) -> String {
        switch failure {
        case .endOfMedium where errno == ENOSPC: BlockError.beyondTheFile
        case .outOfRange where length == .max || offset > .max - length:
            "\(length) bytes from byte \(offset) end beyond the last address of 64 bits"
        case .outOfRange:
            "the request reaches outside the image, which has \(image.size) bytes"
        case .unsupported where operation == .writeZeroes:
            "zeroes could only be written as buffers here, which the request did not allow"
        case .unsupported where image.kind == .backEnd: "the image's back end cannot be resized"
        default: ""
        }
    }
}
