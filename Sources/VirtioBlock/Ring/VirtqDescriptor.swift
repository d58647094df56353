import GuestMemory

/// One descriptor as it is in memory (virtio 1.2, 2.7.5): little-endian.
struct VirtqDescriptor: BitwiseCopyable {
    private var rawAddress: UInt64 = 0
    private var rawLength: UInt32 = 0
    private var rawFlags: UInt16 = 0
    private var rawNext: UInt16 = 0

    /// Its size in bytes.
    static let size = 16

    /// VIRTQ_DESC_F_NEXT.
    private static let next: UInt16 = 1
    /// VIRTQ_DESC_F_WRITE.
    private static let write: UInt16 = 2
    /// VIRTQ_DESC_F_INDIRECT.
    private static let indirect: UInt16 = 4

    var address: GuestAddress { GuestAddress(UInt64(littleEndian: rawAddress)) }
    var length: UInt64 { UInt64(UInt32(littleEndian: rawLength)) }
    var next: Int { Int(UInt16(littleEndian: rawNext)) }

    private var flags: UInt16 { UInt16(littleEndian: rawFlags) }
    var hasNext: Bool { flags & Self.next != 0 }
    /// The device writes the bytes; otherwise it reads them.
    var isWritable: Bool { flags & Self.write != 0 }
    /// The bytes are a table of descriptors.
    var isTable: Bool { flags & Self.indirect != 0 }
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
