public import Glibc

// @safe: whoever follows a vector says so, and a transfer keeps the memory until the piece is
// answered.
/// The host memory for a stretch of a transfer. A device submits it in one request.
@safe public struct DMAPiece {
    /// The host memory, in the order of the data. The memory and this array stay valid until the
    /// piece is answered.
    public let vectors: UnsafeBufferPointer<iovec>
    /// The position in the transfer of the first byte of the piece.
    public let offset: TransferOffset
    /// The length in bytes: the sum of the vectors' lengths.
    public let length: UInt64
}
