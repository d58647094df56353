// MODE SENSE (SPC-3 6.9, 6.10; MMC-5 7) and its pages.
extension PacketReply {
    /// Page control (SPC-3 table 99). Saved values are not supported.
    enum PageControl: UInt8 {
        case current, changeable, `default`
    }

    /// All pages (SPC-3 table 100).
    private static let allPages: UInt8 = 0x3F

    /// False for an unsupported page.
    mutating func putModePages(
        _ page: UInt8, _ control: PageControl, _ settings: ModeSettings, isLocked: Bool,
        hasMedium: Bool, isTrayOpen: Bool, isShort: Bool
    ) -> Bool {
        let mediumType = Self.mediumType(hasMedium: hasMedium, isTrayOpen: isTrayOpen)
        if isShort {
            put([0, mediumType, 0, 0])
        } else {
            put([0, 0, mediumType, 0, 0, 0, 0, 0])
        }
        let header = count
        let pages = [ModeSettings.errorRecovery, ModeSettings.audioControl, Self.capabilities]
        for number in pages where page == number || page == Self.allPages {
            switch number {
            case Self.capabilities: putCapabilities(control, isLocked: isLocked)
            default: put(settings.page(number, control))
            }
        }
        if isShort { patch8(at: 0) } else { patch16(at: 0) }
        return count > header
    }

    /// SFF-8020i table 67: door closed and no disc, door open, or a data disc of 120 mm.
    private static func mediumType(hasMedium: Bool, isTrayOpen: Bool) -> UInt8 {
        isTrayOpen ? 0x71 : hasMedium ? 0x01 : 0x70
    }

    /// CD capabilities and mechanical status (MMC-3 6.3.11).
    private static let capabilities: UInt8 = 0x2A
    /// Speeds in kB/s: that of four times a CD (176 kB/s).
    private static let speed: UInt16 = 704
    private static let bufferSize: UInt16 = 512

    private mutating func putCapabilities(_ control: PageControl, isLocked: Bool) {
        put([Self.capabilities, 20 - 2])
        // Nothing of it can be changed.
        if control == .changeable { return putZeroes(18) }
        // Reads CD-R, CD-RW (by method 2 too), DVD-ROM, DVD-R, DVD-RAM; writes nothing.
        put([0x3B, 0x00])
        // Mode 2 forms, several sessions, and audio: Linux mounts only discs of drives that play.
        put([0x71, 0x60])
        // A tray (type 1) that ejects and locks; bit 1 says that it is locked.
        put8(0x29 | (isLocked && control == .current ? 0x02 : 0))
        put8(0)
        put16(Self.speed)
        // Volume levels.
        put16(2)
        put16(Self.bufferSize)
        put16(Self.speed)
        putZeroes(4)
    }
}
