/// A request of a format's own to one of the image's files. Unchecked, because it names memory: the format
/// lends that memory to the thread that uses the queue until it is asked again.
package struct FormatRequest: @unchecked Sendable {
    /// What is asked for. The memory is the format's. It stays until the format is asked again about the
    /// same stretch, or told by ``ImageFormat/abandon(_:)`` that it will not be.
    ///
    /// Safe, because the memory is reached only through what a case carries, which is unsafe to use.
    @safe package enum Action {
        /// preadv(2).
        case read(into: UnsafeMutableRawBufferPointer)
        /// pwritev(2). It does not make the file longer.
        case write(from: UnsafeRawBufferPointer)
        /// Bytes from the position on that are no longer needed.
        case discard(length: UInt64)
        /// Bytes from the position on that are to read as zeroes.
        case writeZeroes(length: UInt64)
        /// fdatasync(2).
        case flush
        /// ftruncate(2).
        case resize(to: UInt64)
    }

    /// What is asked for.
    package let action: Action
    /// Of which file: an index in ``ImageFormat/files``.
    package let file: Int
    /// Where in the file; 0 for a flush and a resize.
    package let position: FilePosition

    /// A request to a file.
    package init(_ action: Action, file: Int, at position: FilePosition = FilePosition(0)) {
        self.action = action
        self.file = file
        self.position = position
    }
}
