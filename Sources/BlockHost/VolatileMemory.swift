public import CBlockHost

// @usableFromInline: inlinable code of other targets copies with it.
/// Copies of memory that others may write, or take away, at any time: memory of a guest or of
/// another process.
@usableFromInline package enum VolatileMemory {
    /// Whether a copy moved all bytes.
    @usableFromInline package enum Outcome: Equatable, Sendable {
        /// All bytes have been moved.
        case whole
        /// Watched memory was lost (``MemoryWatch``). The bytes before it have been moved; the
        /// bytes of the target from there on must not be used. It corresponds to EFAULT from the
        /// kernel.
        case lost
    }

    /// Copies `count` bytes. Each byte is read once and written once, from the first to the last,
    /// even if others write the memory at the same time. 1, 2, 4 or 8 bytes that are naturally
    /// aligned on both sides are copied in one access.
    @inlinable @discardableResult
    package static func copy(
        to target: UnsafeMutableRawPointer, from source: UnsafeRawPointer, count: Int
    ) -> Outcome {
        unsafe cblockhost_copy(target, source, count) ? .whole : .lost
    }

    /// Copies 16 bytes at any address, under the rules of ``copy(to:from:count:)``.
    @inlinable
    package static func copy16(
        to target: UnsafeMutableRawPointer, from source: UnsafeRawPointer
    ) -> Outcome {
        unsafe cblockhost_copy_16(target, source) ? .whole : .lost
    }

    /// Copies 48 bytes at any address, under the rules of ``copy(to:from:count:)``.
    @inlinable
    package static func copy48(
        to target: UnsafeMutableRawPointer, from source: UnsafeRawPointer
    ) -> Outcome {
        unsafe cblockhost_copy_48(target, source) ? .whole : .lost
    }

    /// Stores one byte, under the rules of ``copy(to:from:count:)``.
    @inlinable
    package static func store(_ byte: UInt8, to target: UnsafeMutableRawPointer) -> Outcome {
        unsafe cblockhost_store_byte(target, byte) ? .whole : .lost
    }

    /// Fills `count` bytes with one value, under the rules of ``copy(to:from:count:)``.
    @inlinable
    package static func fill(
        _ target: UnsafeMutableRawPointer, with byte: UInt8, count: Int
    ) -> Outcome {
        unsafe cblockhost_fill(target, byte, count) ? .whole : .lost
    }

    /// Looks for the first lost byte among `count` bytes and records it in the ``MemoryWatch`` of
    /// the memory. Does nothing unless ``MemoryWatch/catchTruncation()`` has been called.
    package static func probe(_ start: UnsafeRawPointer, count: Int) {
        unsafe cblockhost_probe(start, count)
    }
}
