/// The packet command that a drive is at work on.
struct PacketJob: Equatable {
    /// What kind of work it is.
    enum Kind: UInt8, CaseIterable {
        /// None.
        case none
        /// IDENTIFY PACKET DEVICE: the buffer holds the page.
        case sendingPage
        /// The host writes the packet.
        case takingPacket
        /// The buffer holds the answer, ``PacketJob/length`` bytes.
        case replying
        /// Blocks of the medium, or parts of sectors.
        case reading
        /// MODE SELECT: the host's data goes into the buffer.
        case selecting
    }

    var kind = Kind.none
    /// DMA, bit 0 of the features register (ATA/ATAPI-6 8.23.4).
    var isDMA = false
    /// Bytes that the host takes or gives at a time (ATA/ATAPI-6 8.23.4, byte count limit).
    var limit: UInt16 = 0
    /// A host request failed and waits for ``IDEController/resume()``.
    var isParked = false
    /// The medium it reads has been taken away.
    var isMediumGone = false
    /// Bytes to transfer in all.
    var length: UInt64 = 0
    /// Bytes transferred, or offered to the host.
    var position: UInt64 = 0
    /// First block, and which part of each sector.
    var block: UInt32 = 0
    var fields = SectorFields.userData
    /// What the buffer holds of the medium: the first sector of the command, counted from
    /// ``block``, and how many.
    var heldFirst: UInt64 = 0
    var heldCount = 0
    /// Sectors that the host is at work on.
    var inHand = 0

    /// Bytes left.
    var remaining: UInt64 { length &- position }

    /// Blocks that go from the image into guest memory as they are.
    var isDirect: Bool { isDMA && kind == .reading && fields.isUserData }

    /// Sectors that ``length`` is.
    var sectorCount: UInt64 { fields.size == 0 ? 0 : length / UInt64(fields.size) }

    /// Bytes behind ``position`` that the buffer has.
    var available: UInt64 {
        guard kind == .reading else { return remaining }
        let start = heldFirst &* UInt64(fields.size)
        let end = start &+ UInt64(heldCount) &* UInt64(fields.size)
        return position >= start && end > position ? end &- position : 0
    }

    /// Where in the buffer the byte at ``position`` is.
    var place: Int {
        let start = kind == .reading ? heldFirst &* UInt64(fields.size) : 0
        return Int(truncatingIfNeeded: position &- start)
    }
}
