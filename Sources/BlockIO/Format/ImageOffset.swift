/// A byte of an image, as its guest counts them. Not a place in a file: see ``FilePosition``.
package struct ImageOffset: Sendable, Hashable {
    /// Bytes from the beginning of the image.
    package var byte: UInt64

    /// The byte with this number.
    package init(_ byte: UInt64) { self.byte = byte }
}
