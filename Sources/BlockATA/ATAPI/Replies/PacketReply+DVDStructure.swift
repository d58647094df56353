// READ DISC STRUCTURE, formerly READ DVD STRUCTURE (MMC-5 6.23).
extension PacketReply {
    /// Formats (MMC-5 table 388).
    private enum Format {
        static let physical: UInt8 = 0x00
        static let copyright: UInt8 = 0x01
        static let manufacturing: UInt8 = 0x04
        static let list: UInt8 = 0xFF
    }

    /// Bytes of control data in a structure, what is behind the header of 4.
    private static let controlSize = 2048
    private static let copyrightSize = 4
    /// Physical sector number of the first block (ECMA-267 17.1, 24.1).
    private static let firstSector: UInt32 = 0x03_0000

    /// False for a format or a layer that a DVD-ROM of one layer does not have.
    mutating func putStructure(_ disc: Disc, format: UInt8, layer: UInt8) -> Bool {
        put32(0)
        switch format {
        case Format.physical:
            guard layer == 0 else { return false }
            putPhysicalFormat(disc)
        // 6.23.3.2.2: no protection, all regions.
        case Format.copyright: putZeroes(Self.copyrightSize)
        // 6.23.3.2.5: the manufacturer says nothing.
        case Format.manufacturing: putZeroes(Self.controlSize)
        case Format.list:
            putListed(Format.physical, Self.controlSize)
            putListed(Format.copyright, Self.copyrightSize)
            putListed(Format.manufacturing, Self.controlSize)
        default: return false
        }
        patch16(at: 0)
        return true
    }

    /// 6.23.3.2.1: a DVD-ROM of part version 1, 120 mm, one layer of the usual densities.
    private mutating func putPhysicalFormat(_ disc: Disc) {
        // Disc category 0 and part version; size 0 and no maximum rate; layers; densities.
        put([0x01, 0x0F, 0x01, 0x00])
        put32(Self.firstSector)
        put32(Self.firstSector &+ (disc.blockCount &- 1))
        put32(0)
        putZeroes(Self.controlSize - 16)
    }

    /// Structure list entry (6.23.3.1): readable, not writable, with its length.
    private mutating func putListed(_ format: UInt8, _ size: Int) {
        put([format, 0x40])
        put16(UInt16(size + 4))
    }
}
