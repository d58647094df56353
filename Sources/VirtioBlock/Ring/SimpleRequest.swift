import BlockHost
import GuestMemory

/// What most requests are: a header of 16 bytes, data in one descriptor, and a status, in three descriptors
/// of the ring or in a table of three.
struct SimpleRequest {
    /// `type` of the header.
    let kind: UInt32
    /// The first sector, of 512 bytes.
    let sector: UInt64
    let data: GuestAddress
    /// The number of bytes of the data.
    let length: UInt64
    /// The device writes the data; otherwise it reads it.
    let isWritable: Bool
    let status: GuestAddress
}

// @safe: it has a place for each of the four, and is freed with itself.
/// Copies of the descriptors of a simple request, and of its header.
@safe struct SimpleCopy: ~Copyable {
    private let start: UnsafeMutablePointer<VirtqDescriptor>

    init() {
        unsafe start = .allocate(capacity: 4)
        unsafe start.initialize(repeating: VirtqDescriptor(), count: 4)
    }

    deinit { unsafe start.deallocate() }

    /// Reads the request that begins with descriptor `head` of the ring, if it is a simple one. Otherwise
    /// returns `nil`, and nothing of what was read counts: the request is to be read as any other. So it is
    /// while any memory is lost.
    @inline(__always)
    func read(_ head: Int, of ring: inout SplitRing, allowsTables: Bool) -> SimpleRequest? {
        guard unsafe ring.copyDescriptor(head, to: start) else { return nil }
        let first = unsafe start[0]
        if first.isTableOfThree {
            guard allowsTables, unsafe ring.copy48(at: first.address, to: start),
                unsafe start[0].isHeader, unsafe start[0].next == 1,
                unsafe start[1].isData, unsafe start[1].next == 2
            else { return nil }
        } else {
            guard first.isHeader, first.next < ring.size,
                unsafe ring.copyDescriptor(first.next, to: start + 1),
                unsafe start[1].isData, unsafe start[1].next < ring.size,
                unsafe ring.copyDescriptor(start[1].next, to: start + 2)
            else { return nil }
        }
        let header = unsafe UnsafeMutableRawPointer(start + 3)
        guard unsafe start[2].isStatus, unsafe ring.copy16(at: start[0].address, to: header),
            !MemoryWatch.isAnyLost
        else { return nil }
        let kind = unsafe UInt32(littleEndian: header.load(as: UInt32.self))
        let sector = unsafe UInt64(
            littleEndian: header.load(fromByteOffset: 8, as: UInt64.self))
        return unsafe SimpleRequest(
            kind: kind, sector: sector, data: start[1].address, length: start[1].length,
            isWritable: start[1].isWritable, status: start[2].address)
    }
}
