/// How the image of a disc stores its sectors.
package enum SectorLayout: UInt8 {
    /// Only user data, 2048 bytes of each sector, as an ISO 9660 file system is.
    case blocks
    /// Whole sectors of Mode 1 (ECMA-130 clause 14).
    case mode1
    /// Whole sectors of Mode 2 with a sub-header (CD-ROM XA; MMC-5 4.2.3).
    case mode2

    /// Whole sectors, 2352 bytes each.
    package var isRaw: Bool { self != .blocks }

    /// Bytes from one sector to the next.
    package var stride: Int { isRaw ? RawSector.size : Disc.blockSize }

    /// Where in a sector its 2048 bytes of user data begin.
    package var userData: Int {
        switch self {
        case .blocks: 0
        case .mode1: RawSector.userData
        case .mode2: RawSector.formUserData
        }
    }

    /// The user data as a part of a sector.
    package var userDataFields: SectorFields { self == .mode2 ? .formUserData : .userData }

    /// The kind of sector that READ CD reads when it expects sectors of type `type` (MMC-5
    /// 6.19.2.1); `nil` when the disc has no such sectors. A sector of Mode 2 is taken for one of form 1
    /// unless form 2 is expected.
    package func sectorKind(expected type: UInt8) -> SectorKind? {
        switch (type, self) {
        case (0, .blocks), (0, .mode1), (2, .blocks), (2, .mode1): .mode1
        case (0, .mode2), (4, .mode2): .form1
        case (5, .mode2): .form2
        default: nil
        }
    }
}
