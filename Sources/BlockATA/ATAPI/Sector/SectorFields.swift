/// Which part of each sector a read command transfers: a stretch of it, since the standard allows no
/// holes (MMC-5 6.19.2.6).
package struct SectorFields: Equatable {
    /// Bytes of a ``RawSector``.
    package let range: Range<Int>

    /// The 2048 bytes of user data of a Mode 1 sector.
    package static let userData = SectorFields(range: RawSector.userData..<RawSector.detection)
    /// The 2048 bytes of user data of a Mode 2 sector, form 1.
    package static let formUserData = SectorFields(
        range: RawSector.formUserData..<RawSector.form1Detection)
    /// Nothing at all, which succeeds.
    package static let none = SectorFields(range: 0..<0)

    private init(range: Range<Int>) { self.range = range }

    /// Byte 9 of READ CD (MMC-5 6.19.2.6): bit 7 synchronisation, bits 6:5 sub-header and header,
    /// bit 4 user data, bit 3 EDC and parities, bits 2:1 error flags. `nil` for a selection with
    /// holes, and for fields that a sector of this kind does not have.
    package init?(mainChannelSelection byte: UInt8, of kind: SectorKind = .mode1) {
        guard byte & 0x07 == 0 else { return nil }
        var found: Range<Int>?
        for field in Self.fields(of: kind) where byte & field.bit != 0 {
            if let before = found {
                guard before.upperBound == field.range.lowerBound else { return nil }
                found = before.lowerBound..<field.range.upperBound
            } else {
                found = field.range
            }
        }
        // EDC and parities come with the data they protect (MMC-5 table 353).
        if byte & 0x10 == 0 && byte & 0x08 != 0 { return nil }
        range = found ?? 0..<0
    }

    /// The fields of a sector, in their order.
    private static func fields(of kind: SectorKind) -> [(bit: UInt8, range: Range<Int>)] {
        let data: Range<Int> =
            switch kind {
            case .mode1: RawSector.userData..<RawSector.detection
            case .form1: RawSector.formUserData..<RawSector.form1Detection
            case .form2: RawSector.formUserData..<RawSector.form2Detection
            }
        return [
            (0x80, 0..<RawSector.header), (0x20, RawSector.header..<RawSector.userData),
            // Mode 1 has no sub-header, so bit 6 asks for nothing.
            (kind == .mode1 ? 0 : 0x40, RawSector.userData..<data.lowerBound), (0x10, data),
            (0x08, data.upperBound..<RawSector.size),
        ]
    }

    /// Where fields of sectors begin and end.
    static let borders = [
        0, RawSector.header, RawSector.userData, RawSector.formUserData, RawSector.detection,
        RawSector.form1Detection, RawSector.form2Detection, RawSector.size,
    ]

    /// For a saved state.
    init?(lowerBound lower: Int, upperBound upper: Int) {
        guard lower <= upper, Self.borders.contains(lower), Self.borders.contains(upper) else {
            return nil
        }
        range = lower..<upper
    }

    /// Bytes for each sector.
    package var size: Int { range.count }

    /// The 2048 bytes that a read of blocks transfers.
    package var isUserData: Bool { self == .userData || self == .formUserData }
}
