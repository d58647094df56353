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

extension RequestChain {
    /// Reads the request that begins with descriptor `head` of the ring, if it is a simple one. Otherwise
    /// returns `nil`, and nothing of what was read counts: the request is to be read as any other.
    @inline(__always)
    func readSimple(
        _ head: Int, of ring: inout SplitRing, allowsTables: Bool
    ) -> SimpleRequest? {
        let place = unsafe table.address(of: 0, count: 3)
        guard unsafe ring.descriptor(head, into: place) else { return nil }
        let first = table[0]
        if first.isTableOfThree {
            guard allowsTables, unsafe ring.readBlocks(at: first.address, into: place, count: 48),
                table[0].isHeader, table[0].next == 1, table[1].isData, table[1].next == 2
            else { return nil }
        } else {
            guard first.isHeader, first.next < ring.size,
                unsafe ring.descriptor(first.next, into: place + VirtqDescriptor.size),
                table[1].isData, table[1].next < ring.size,
                unsafe ring.descriptor(table[1].next, into: place + 2 * VirtqDescriptor.size)
            else { return nil }
        }
        guard table[2].isStatus,
            unsafe ring.readBlocks(
                at: table[0].address, into: header.address(of: 0, count: 2), count: 16)
        else { return nil }
        return SimpleRequest(
            kind: kind, sector: sector, data: table[1].address, length: table[1].length,
            isWritable: table[1].isWritable, status: table[2].address)
    }
}
