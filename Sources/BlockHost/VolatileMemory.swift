import CBlockHost

/// Memory that others may write, or take away, at any time: a guest's, and that of other processes.
@usableFromInline package enum VolatileMemory {
    /// How far a copy came.
    @usableFromInline package enum Outcome: Equatable, Sendable {
        /// All bytes have been moved.
        case whole
        /// Watched memory has gone (``MemoryWatch``): the bytes before it have been moved, and what is at
        /// the target from there on must not be used. As with EFAULT from the kernel.
        case lost
    }

    /// Copies `count` bytes. Each is read once and written once, from the first to the last, whatever
    /// others do meanwhile; 1, 2, 4 or 8 bytes that are naturally aligned on both sides are one access.
    @inlinable @discardableResult
    package static func copy(
        to target: UnsafeMutableRawPointer, from source: UnsafeRawPointer, count: Int
    ) -> Outcome {
        cblockhost_copy(target, source, count) ? .whole : .lost
    }

    /// Fills `count` bytes with one value, under the same conditions.
    @inlinable
    package static func fill(
        _ target: UnsafeMutableRawPointer, with byte: UInt8, count: Int
    ) -> Outcome {
        cblockhost_fill(target, byte, count) ? .whole : .lost
    }

    /// Looks for the first of `count` bytes that has gone, so that its ``MemoryWatch`` knows of it. Does
    /// nothing unless ``MemoryWatch/catchTruncation()`` has been called.
    package static func probe(_ start: UnsafeRawPointer, count: Int) {
        cblockhost_probe(start, count)
    }
}
