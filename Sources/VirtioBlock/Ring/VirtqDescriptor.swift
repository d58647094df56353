import GuestMemory

/// One descriptor as it is in memory (virtio 1.2, 2.7.5): little-endian.
struct VirtqDescriptor: BitwiseCopyable {
    private var rawAddress: UInt64 = 0
    /// Length, flags and next descriptor.
    private var rawShape: UInt64 = 0

    /// Its size in bytes.
    static let size = 16

    /// VIRTQ_DESC_F_NEXT.
    private static let next: UInt64 = 1 << 32
    /// VIRTQ_DESC_F_WRITE.
    private static let write: UInt64 = 2 << 32
    /// VIRTQ_DESC_F_INDIRECT.
    private static let indirect: UInt64 = 4 << 32
    /// The field `next`.
    private static let nextField: UInt64 = 0xFFFF << 48

    var address: GuestAddress { GuestAddress(UInt64(littleEndian: rawAddress)) }
    var length: UInt64 { shape & 0xFFFF_FFFF }
    var next: Int { Int(truncatingIfNeeded: shape &>> 48) }

    private var shape: UInt64 { UInt64(littleEndian: rawShape) }
    var hasNext: Bool { shape & Self.next != 0 }
    /// The device writes the bytes; otherwise it reads them.
    var isWritable: Bool { shape & Self.write != 0 }
    /// The bytes are a table of descriptors.
    var isTable: Bool { shape & Self.indirect != 0 }

    // What the descriptors of most requests are, and no other flag.

    /// 16 bytes to read, and there is a next descriptor: a header.
    var isHeader: Bool { shape & ~Self.nextField == 16 | Self.next }
    /// Bytes to read or to write, and there is a next descriptor.
    var isData: Bool {
        let flags = shape & ~Self.nextField & ~Self.write & ~0xFFFF_FFFF
        return flags == Self.next && length != 0
    }
    /// One byte to write, and the last descriptor: a status.
    var isStatus: Bool { shape & ~Self.nextField == 1 | Self.write }
    /// The only descriptor of a table of three.
    var isTableOfThree: Bool { shape & ~Self.nextField == 48 | Self.indirect }
}

/// One element of the used ring (virtio 1.2, 2.7.8): little-endian.
struct VirtqUsedElement: BitwiseCopyable {
    private var id: UInt32 = 0
    private var length: UInt32 = 0

    /// Its size in bytes.
    static let size = 8

    init() {}

    /// The request that begins with descriptor `head`, for which `length` bytes were written.
    init(head: UInt16, length: UInt32) {
        id = UInt32(head).littleEndian
        self.length = length.littleEndian
    }
}
