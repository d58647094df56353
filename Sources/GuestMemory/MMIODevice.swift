/// A device whose registers are in guest memory.
///
/// Called on the thread that makes the access, without any lock of this library's: the device
/// brings its own.
public protocol MMIODevice: AnyObject, Sendable {
    /// Reads `width` bytes (1, 2, 4 or 8, naturally aligned) at `offset` in the region,
    /// little-endian; `nil` refuses the access.
    func read(offset: UInt64, width: Int) -> UInt64?
    /// Writes the low `width` bytes of `value`; false refuses the access.
    func write(offset: UInt64, width: Int, value: UInt64) -> Bool
}
