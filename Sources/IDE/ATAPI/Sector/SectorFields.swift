/// Which part of each sector a read command transfers: a stretch of it, since the standard allows no
/// holes (MMC-5 6.19.2.6).
struct SectorFields: Equatable {
    /// Bytes of a ``RawSector``.
    let range: Range<Int>

    /// The 2048 bytes of user data.
    static let userData = SectorFields(range: RawSector.userData..<RawSector.detection)
    /// Nothing at all, which succeeds.
    static let none = SectorFields(range: 0..<0)

    private init(range: Range<Int>) { self.range = range }

    /// Byte 9 of READ CD (MMC-5 6.19.2.6): bit 7 synchronisation, bits 6:5 sub-header and header,
    /// bit 4 user data, bit 3 EDC and parities, bits 2:1 error flags. `nil` where a Mode 1 sector
    /// has no such part: holes, and what a drive must know more for.
    init?(mainChannelSelection byte: UInt8) {
        guard byte & 0x07 == 0 else { return nil }
        // A Mode 1 sector has no sub-header, so bit 6 asks for nothing.
        let fields: [(bit: UInt8, range: Range<Int>)] = [
            (0x80, 0..<RawSector.header), (0x20, RawSector.header..<RawSector.userData),
            (0x10, RawSector.userData..<RawSector.detection),
            (0x08, RawSector.detection..<RawSector.size),
        ]
        var found: Range<Int>?
        for field in fields where byte & field.bit != 0 {
            if let before = found {
                guard before.upperBound == field.range.lowerBound else { return nil }
                found = before.lowerBound..<field.range.upperBound
            } else {
                found = field.range
            }
        }
        // EDC and parities come with the data they protect (MMC-5 table 353).
        if let found, found.lowerBound == RawSector.detection { return nil }
        range = found ?? 0..<0
    }

    /// For a saved state.
    init?(lowerBound: UInt16, upperBound: UInt16) {
        let borders = [
            0, RawSector.header, RawSector.userData, RawSector.detection, RawSector.size,
        ]
        let (lower, upper) = (Int(lowerBound), Int(upperBound))
        guard lower <= upper, borders.contains(lower), borders.contains(upper) else { return nil }
        range = lower..<upper
    }

    /// Bytes for each sector.
    var size: Int { range.count }

    var isUserData: Bool { self == .userData }
}
