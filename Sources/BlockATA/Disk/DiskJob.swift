/// The command that a disk is at work on.
package struct DiskJob: Equatable, DriveJob {
    /// What kind of work it is.
    package enum Kind: UInt8, CaseIterable {
        /// None.
        case none
        /// PIO data-in from the medium.
        case readingBlocks
        /// PIO data-out to the medium.
        case writingBlocks
        /// PIO data-in of something the disk has made up itself.
        case sendingPage
        /// PIO data-out into the sector buffer.
        case takingPage
        /// READ VERIFY
        case verifying
        /// FLUSH CACHE, or the write cache is being switched off.
        case flushing
        /// DMA data-in
        case readingDMA
        /// DMA data-out
        case writingDMA
        /// DATA SET MANAGEMENT
        case trimming
    }

    /// How the registers name a sector (ATA/ATAPI-6 6.2, 6.20; ATA/ATAPI-5 6.2).
    package enum Addressing: UInt8, CaseIterable {
        case chs, lba28, lba48
    }

    package var kind = Kind.none
    package var addressing = Addressing.lba28
    /// FUA, or the write cache is off.
    package var isDurable = false
    /// A host request failed and waits for ``AttachedDrive/retry(on:)``. Only a saved job says so: that of
    /// a drive has its ``BlockDMA/HostRequest`` for it.
    package var isParked = false
    /// The next sector; ``nowhere`` for a CHS address that is none.
    package var sector: UInt64 = 0
    /// Sectors left, or blocks of TRIM ranges.
    package var remaining = 0
    /// Sectors a data block.
    package var blockSize = 1
    /// Sectors, or the index of the range, that the host is at work on.
    package var inHand = 0

    /// No disk has this sector.
    package static let nowhere = UInt64.max

    package init() {}

    /// Whether the command moves data between the disk and guest memory.
    package var isTransfer: Bool {
        switch kind {
        case .readingDMA, .writingDMA, .trimming: true
        default: false
        }
    }

    /// A TRIM that is run again has its ranges already.
    var repeatsTransfer: Bool { kind == .readingDMA || kind == .writingDMA }

    /// What the command needs in guest memory, on a disk of `sectorCount`.
    package func demand(sectorCount: UInt64) -> TransferDemand {
        var demand = TransferDemand(
            bytes: UInt64(remaining) &* UInt64(ATADisk.sectorSize),
            direction: kind == .readingDMA ? .fromDevice : .toDevice, unit: ATADisk.sectorSize)
        demand.isUnwanted =
            kind != .trimming && !ATADrive.isInside(sector, remaining, of: sectorCount)
        return demand
    }
}
