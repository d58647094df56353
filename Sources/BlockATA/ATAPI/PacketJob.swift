/// The packet command that a drive is at work on.
package struct PacketJob: Equatable, DriveJob {
    /// What kind of work it is.
    package enum Kind: UInt8, CaseIterable {
        /// None.
        case none
        /// IDENTIFY PACKET DEVICE: the buffer holds the page.
        case sendingPage
        /// The guest writes the packet.
        case takingPacket
        /// The buffer holds the answer, ``PacketJob/length`` bytes.
        case replying
        /// Blocks of the medium, or parts of sectors.
        case reading
        /// MODE SELECT: data of the guest goes into the buffer.
        case selecting
    }

    package var kind = Kind.none
    /// DMA, bit 0 of the features register (ATA/ATAPI-6 8.23.4).
    package var isDMA = false
    /// Most bytes of a PIO burst (ATA/ATAPI-6 8.23.4, byte count limit).
    package var limit: UInt16 = 0
    /// A host request has failed and waits for ``AttachedDrive/retry(on:)``. Set in saved jobs
    /// only: a drive keeps this in its ``BlockDMA/HostRequest``.
    package var isParked = false
    /// The medium it reads has been taken away.
    package var isMediumGone = false
    /// Bytes to transfer in all.
    package var length: UInt64 = 0
    /// Bytes transferred, or offered to the guest.
    package var position: UInt64 = 0
    /// First block, and which part of each sector.
    package var block: UInt32 = 0
    package var fields = SectorFields.userData
    /// What the buffer holds of the medium: the first sector of the command, counted from
    /// ``block``, and how many.
    package var heldFirst: UInt64 = 0
    package var heldCount = 0
    /// Sectors of the host request under way.
    package var inHand = 0

    package init() {}

    /// Whether the command moves data between the drive and guest memory.
    package var isTransfer: Bool { isDMA && length > 0 }

    var repeatsTransfer: Bool { isDMA }

    /// Whether the command is a packet, and shows an interrupt reason.
    var isPacket: Bool { kind != .none && kind != .sendingPage }

    /// What the command needs in guest memory.
    package var demand: TransferDemand {
        var demand = TransferDemand(
            bytes: length, direction: kind == .selecting ? .toDevice : .fromDevice,
            unit: isDirect ? 512 : 1)
        demand.isUnwanted = isMediumGone
        return demand
    }

    /// Bytes left.
    package var remaining: UInt64 { length &- position }

    /// Blocks that go from the image into guest memory as they are.
    package var isDirect: Bool { isDMA && kind == .reading && fields.isUserData }

    /// Sectors that ``length`` is.
    package var sectorCount: UInt64 { fields.size == 0 ? 0 : length / UInt64(fields.size) }

    /// Bytes behind ``position`` that the buffer has.
    package var available: UInt64 {
        guard kind == .reading else { return remaining }
        let start = heldFirst &* UInt64(fields.size)
        let end = start &+ UInt64(heldCount) &* UInt64(fields.size)
        return position >= start && end > position ? end &- position : 0
    }

    /// Where in the buffer the byte at ``position`` is.
    package var place: Int {
        let start = kind == .reading ? heldFirst &* UInt64(fields.size) : 0
        return Int(truncatingIfNeeded: position &- start)
    }
}
