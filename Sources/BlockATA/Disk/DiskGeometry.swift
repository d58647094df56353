/// Cylinders, heads and sectors per track: the default translation of a disk (ATA/ATAPI-5 6.2,
/// IDENTIFY DEVICE words 1, 3 and 6).
public struct DiskGeometry: Sendable, Hashable {
    /// 1 to 65535; 0 for a disk without sectors. ATA allows no more than 16383 on a disk of more than 16383
    /// cylinders of 16 heads and 63 sectors.
    public var cylinders: Int
    /// 1 to 16.
    public var heads: Int
    /// 1 to 255. ATA allows up to 63.
    public var sectors: Int

    /// A geometry as given.
    public init(cylinders: Int, heads: Int, sectors: Int) {
        self.cylinders = cylinders
        self.heads = heads
        self.sectors = sectors
    }

    /// More than that is addressed by LBA only (ATA/ATAPI-5 6.2.1).
    static let maximumCylinders = 16383

    /// The default geometry for a number of sectors of 512 bytes: 16 heads of 63 sectors, and at
    /// least one cylinder (ATA/ATAPI-5 6.2.1). A small disk has one incomplete cylinder, because a
    /// BIOS cannot use a disk without cylinders.
    public init(sectorCount: UInt64) {
        let cylinders = min(sectorCount / (16 * 63), UInt64(Self.maximumCylinders))
        self.init(
            cylinders: sectorCount == 0 ? 0 : max(1, Int(cylinders)), heads: 16, sectors: 63)
    }

    /// Within the ranges that QEMU's ide-hd accepts for its cyls, heads and secs.
    var isValid: Bool {
        (1...65535).contains(cylinders) && (1...16).contains(heads) && (1...255).contains(sectors)
    }

    /// The geometry that the partition table in a master boot record was made for: the first entry
    /// in use ends on the last head and sector of a cylinder. `nil` without a table, or if its
    /// geometry is out of range.
    public init?(masterBootRecord sector: [UInt8], sectorCount: UInt64) {
        guard sector.count >= 512, sector[510] == 0x55, sector[511] == 0xAA else { return nil }
        for entry in stride(from: 0x1BE, to: 0x1FE, by: 16) {
            let length = sector[entry + 12..<entry + 16].reduce(0) { $0 | $1 }
            let heads = UInt64(sector[entry + 5]) + 1
            let sectors = UInt64(sector[entry + 6] & 63)
            guard length != 0, heads > 1, sectors > 0 else { continue }
            let found = DiskGeometry(
                cylinders: Int(clamping: sectorCount / (heads * sectors)), heads: Int(heads),
                sectors: Int(sectors))
            if found.isValid && found.cylinders <= Self.maximumCylinders {
                self = found
                return
            }
        }
        return nil
    }
}
