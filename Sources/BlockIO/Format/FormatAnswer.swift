/// What a format answers about a stretch of a request.
package enum FormatAnswer: Sendable {
    /// The first `count` bytes are at this position of the file with this index.
    case bytes(file: Int, at: FilePosition, count: UInt64)
    /// The first `count` bytes are zeroes that are in no file. Not an answer to a write.
    case zeroes(count: UInt64)
    /// Ask again when these requests have been done, of which there are 1 to ``requestLimit``.
    case after([FormatRequest])
    /// There is nothing to do any more, for a flush or a resize.
    case done
    /// The request fails.
    case failed(BlockError.Code, errno: CInt)

    /// The most child requests of one request that are under way at a time.
    package static let requestLimit = 32
    /// How often a format can ask to be asked again about the same stretch.
    package static let roundLimit = 64
}
