/// A medium as the drive describes it: one session with one data track of blocks of 2048 bytes.
package struct Disc: Equatable {
    /// Bytes in a block: user data of a Mode 1 sector (ECMA-130 14.3), and of a DVD sector (ECMA-267
    /// 16).
    package static let blockSize = 2048

    /// Blocks on it.
    package let blockCount: UInt32
    /// How they are stored.
    package let layout: SectorLayout

    /// More than 80 minutes do not fit on a CD (MMC-5 4.2.3.3, and the Orange Book).
    package static let largestCD = 80 * DiscAddress.framesPerMinute

    /// `nil` for an image that is smaller than a block. Blocks beyond number 2^32 - 2 are not
    /// visible, because READ CAPACITY cannot name them.
    package init?(imageSize: UInt64, layout: SectorLayout = .blocks) {
        let blocks = imageSize / UInt64(layout.stride)
        guard blocks > 0 else { return nil }
        self.init(blockCount: UInt32(min(blocks, UInt64(UInt32.max - 1))), layout: layout)
    }

    package init(blockCount: UInt32, layout: SectorLayout = .blocks) {
        self.blockCount = blockCount
        self.layout = layout
    }

    /// Whether it is a DVD: all that is too large for a CD. Only a CD has raw sectors.
    package var isDVD: Bool { blockCount > Self.largestCD && !layout.isRaw }

    /// Whether `count` blocks from `block` on are on it.
    package func contains(_ block: UInt64, count: UInt64) -> Bool {
        block <= UInt64(blockCount) && count <= UInt64(blockCount) - block
    }

    /// Disc type (MMC-5 6.21.3.1): CD-DA or CD-ROM, and CD-ROM XA.
    package var type: UInt8 { layout == .mode2 ? 0x20 : 0x00 }

    /// MMC-5 table 106
    package var profile: UInt16 { isDVD ? Profile.dvdROM : Profile.cdROM }
}
