/// The command that a disk is at work on.
struct DiskJob: Equatable {
    /// What kind of work it is.
    enum Kind: UInt8, CaseIterable {
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
    enum Addressing: UInt8, CaseIterable {
        case chs, lba28, lba48
    }

    var kind = Kind.none
    var addressing = Addressing.lba28
    /// FUA, or the write cache is off.
    var isDurable = false
    /// A host request failed and waits for ``IDEController/resume()``.
    var isParked = false
    /// The next sector; ``nowhere`` for a CHS address that is none.
    var sector: UInt64 = 0
    /// Sectors left, or blocks of TRIM ranges.
    var remaining = 0
    /// Sectors a data block.
    var blockSize = 1
    /// Sectors, or the index of the range, that the host is at work on.
    var inHand = 0

    /// No disk has this sector.
    static let nowhere = UInt64.max
}
