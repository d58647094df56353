/// A DMA controller between a device and memory of the other byte order: it reverses the bytes of
/// each word on their way, as the controllers of big-endian machines do for little-endian devices.
public final class ByteSwapper: AddressResolver {
    /// Bytes in a word: 2, 4 or 8.
    public let width: Int

    /// A controller that reverses words of `width` bytes: 2, 4 or 8.
    public init(width: Int) throws(GuestMemoryError) {
        guard width == 2 || width == 4 || width == 8 else { throw GuestMemoryError(.invalidOption) }
        self.width = width
    }

    /// Takes whole words only; ``GuestMemoryError/Code/misaligned`` otherwise.
    public func resolve(
        _ address: GuestAddress, length: UInt64, direction: DMADirection
    ) throws(GuestMemoryError) -> ResolvedRange {
        guard (address.rawValue | length) & UInt64(width - 1) == 0 else {
            throw GuestMemoryError(.misaligned, at: address)
        }
        return ResolvedRange(address: address, length: length, isTransformed: true)
    }

    /// Reverses each word.
    public func transform(_ bytes: UnsafeMutableRawBufferPointer, direction: DMADirection) {
        for start in stride(from: 0, to: bytes.count - width + 1, by: width) {
            var low = start
            var high = start + width - 1
            while low < high {
                unsafe bytes.swapAt(low, high)
                low += 1
                high -= 1
            }
        }
    }
}
