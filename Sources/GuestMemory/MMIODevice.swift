/// A device whose registers are in guest memory.
///
/// The functions are called on the thread that makes the access, and no lock of this library is
/// held: the device synchronises itself.
public protocol MMIODevice: AnyObject, Sendable {
    /// Reads `width` bytes (1, 2, 4 or 8, naturally aligned) at `offset` in the region,
    /// little-endian; `nil` refuses the access.
    func read(offset: UInt64, width: Int) -> UInt64?
    /// Writes the low `width` bytes of `value`; false refuses the access.
    func write(offset: UInt64, width: Int, value: UInt64) -> Bool
}
