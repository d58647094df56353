/// A byte of a host file. Not a byte of the image: see ``ImageOffset``.
package struct FilePosition: Sendable, Hashable {
    /// Bytes from the beginning of the file.
    package var byte: UInt64

    /// The byte with this number.
    package init(_ byte: UInt64) { self.byte = byte }
}
