// Values of packet commands and their answers. They are written down here and not taken from `BlockATA`, so
// that the tests find a wrong one there.

/// What of each sector READ CD and READ CD MSF move (MMC-5 6.19.2.6, byte 9 of the packet).
enum ReadCDFields {
    /// Synchronisation, headers, user data, and what corrects and detects errors.
    static let all: UInt8 = 0xF8
    static let userData: UInt8 = 0x10
}

/// The error register of a packet device: the sense key in bits 7:4 (ATA/ATAPI-6 7.9).
enum PacketError {
    static let notReady: UInt8 = 0x20
    static let mediumError: UInt8 = 0x30
    static let illegalRequest: UInt8 = 0x50
    static let unitAttention: UInt8 = 0x60
}

/// What GET EVENT STATUS NOTIFICATION says has happened to the medium (MMC-5 6.7.2.5).
enum MediumEvent {
    static let none: UInt8 = 0
    static let ejectRequest: UInt8 = 1
    static let newMedium: UInt8 = 2
    static let removal: UInt8 = 3
}

/// And how it is now: bit 0 says that the tray is open, bit 1 that there is a medium.
enum MediumStatus {
    static let empty: UInt8 = 0
    static let trayOpen: UInt8 = 1
    static let present: UInt8 = 2
}
