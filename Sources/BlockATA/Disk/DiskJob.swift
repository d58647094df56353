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
        /// PIO data-in of a page that the disk generates.
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
    /// A host request has failed and waits for ``AttachedDrive/retry(on:)``. Set in saved jobs
    /// only: a drive keeps this in its ``BlockDMA/HostRequest``.
    package var isParked = false
    /// The next sector; ``nowhere`` for a CHS address that is none.
    package var sector: UInt64 = 0
    /// Sectors left, or blocks of TRIM ranges.
    package var remaining = 0
    /// Sectors in a data block.
    package var blockSize = 1
    /// Sectors of the host request under way, or the index of its range.
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

    /// When TRIM is repeated, its ranges are already in the buffer.
    var repeatsTransfer: Bool { kind == .readingDMA || kind == .writingDMA }
}
