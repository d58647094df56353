import BlockIO

// The configuration space (virtio 1.2, 5.2.4): little-endian.
extension VirtioBlockDevice {
    /// The size of the configuration space in bytes, up to `write_zeroes_may_unmap` and the three
    /// bytes behind it.
    public static let configurationSize = 60

    /// The offset of `writeback`, the only byte that a driver can write.
    private static let writeback = 32
    /// The most sectors of one discard, or of one write of zeroes: 1 GiB.
    static let rangeLimit: UInt32 = 1 << 21

    /// The most segments of a request that may be in descriptors of the ring: what fits into a ring of 128
    /// descriptors, which is what drivers make when the device does not say more.
    private static let ringSegments = 126

    /// Copies bytes of the configuration space that begin at `offset`. Bytes outside of it are 0. All are
    /// of one moment; a driver that reads it in parts compares ``configurationGeneration`` before and after.
    public func readConfiguration(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) {
        let size = shownSize
        for index in buffer.indices {
            let place = offset.addingReportingOverflow(index)
            unsafe buffer[index] =
                place.overflow
                ? 0 : UInt8(truncatingIfNeeded: configuration(place.partialValue, size))
        }
    }

    /// The number of `width` bytes (1, 2, 4 or 8) at `offset`.
    public func readConfiguration(at offset: Int, width: Int) -> UInt64 {
        var value: UInt64 = 0
        unsafe withUnsafeMutableBytes(of: &value) { bytes in
            let count = min(max(width, 0), 8)
            unsafe readConfiguration(
                at: offset, into: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
        }
        return UInt64(littleEndian: value)
    }

    /// Writes a number of `width` bytes. Only `writeback` can be written; returns false, and changes
    /// nothing, for anything else, and before the driver has accepted
    /// ``VirtioFeatures/configurableWriteCache``.
    public func writeConfiguration(at offset: Int, width: Int, value: UInt64) -> Bool {
        guard offset == Self.writeback, width == 1,
            features.contains(.configurableWriteCache)
        else { return false }
        setWriteCache(value & 0xFF != 0)
        return true
    }

    /// The byte at `offset`, in the low bits.
    private func configuration(_ offset: Int, _ size: UInt64) -> UInt64 {
        let (start, value) = field(at: offset, size)
        return value >> UInt64(8 * (offset - start))
    }

    /// The field that contains the byte at `offset`: its own offset, and its value.
    private func field(at offset: Int, _ size: UInt64) -> (Int, UInt64) {
        switch offset {
        case 0..<8: return (0, size / 512)
        // size_max (not offered), and the geometry, which is not offered either.
        case 12..<16: return (12, UInt64(maximumSegments))
        case 20..<24: return (20, UInt64(image.logicalBlockSize))
        case 24..<32: return (24, topology)
        case Self.writeback: return (offset, isWriteCacheOn ? 1 : 0)
        case 34..<36 where queueCount > 1: return (34, UInt64(queueCount))
        case 36..<48 where offeredFeatures.contains(.discard):
            return discardField(at: offset)
        case 48..<57 where offeredFeatures.contains(.writeZeroes):
            return zeroesField(at: offset)
        default: return (offset, 0)
        }
    }

    /// `seg_max`: header and status need a descriptor each.
    private var maximumSegments: Int {
        let most = options.maximumQueueSize - 2
        return features.contains(.indirectDescriptors) ? most : min(most, Self.ringSegments)
    }

    /// `physical_block_exp`, `alignment_offset`, `min_io_size`, `opt_io_size`, in logical blocks.
    private var topology: UInt64 {
        let block = image.logicalBlockSize
        let exponent = max(limits.physicalBlockSize / block, 1).trailingZeroBitCount
        let minimum = UInt64(UInt16(clamping: limits.minimumIOSize / block))
        let optimal = UInt64(UInt32(clamping: limits.optimalIOSize / block))
        return UInt64(exponent) | minimum << 16 | optimal << 32
    }

    /// `max_discard_sectors`, `max_discard_seg`, `discard_sector_alignment`.
    private func discardField(at offset: Int) -> (Int, UInt64) {
        switch offset {
        case 36..<40: (36, UInt64(Self.rangeLimit))
        case 40..<44: (40, 1)
        default: (44, UInt64(max(limits.discardGranularity, image.logicalBlockSize) / 512))
        }
    }

    /// `max_write_zeroes_sectors`, `max_write_zeroes_seg`, `write_zeroes_may_unmap`.
    private func zeroesField(at offset: Int) -> (Int, UInt64) {
        switch offset {
        case 48..<52: (48, UInt64(Self.rangeLimit))
        case 52..<56: (52, 1)
        default: (56, 1)
        }
    }
}
