/// What a queue asks a format about.
package struct FormatQuestion: Sendable {
    /// Read, write, discard, write of zeroes, flush or resize.
    package let operation: BlockOperation
    /// The first byte of the stretch. 0 for a flush and a resize.
    package let offset: ImageOffset
    /// The bytes from there to the end of the request; the new size for a resize, and 0 for a flush.
    package let length: UInt64
    /// For a write: its bytes are stable when it completes.
    package let isDurable: Bool
    /// The format's own: 0 when a stretch is asked about for the first time, and then what the format left
    /// here, until the stretch is answered.
    package var step: UInt
}
