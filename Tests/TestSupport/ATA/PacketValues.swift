// Values of packet commands and their answers. They are written down here and not taken from `BlockATA`, so
// that the tests find a wrong one there.

/// What of each sector READ CD and READ CD MSF move (MMC-5 6.19.2.6, byte 9 of the packet).
enum ReadCDFields {
    /// Synchronisation, headers, user data, and what corrects and detects errors.
    static let all: UInt8 = 0xF8
    static let userData: UInt8 = 0x10
    /// Synchronisation, headers and user data.
    static let allButErrorCorrection: UInt8 = 0xF0
    static let allButSynchronisation: UInt8 = 0x78
}

/// Bits of single bytes in packets.
enum PacketBits {
    /// EVPD of INQUIRY, byte 1: a page of vital product data is asked for (SPC-3 6.4.1).
    static let vitalProductData: UInt8 = 0x01
    /// MSF, byte 1: addresses are minutes, seconds and frames (MMC-5 6.26.2.1).
    static let minutesSecondsFrames: UInt8 = 0x02
    /// SubQ of READ SUB-CHANNEL, byte 2: with data of the sub-channel (SCSI-2 14.2.10).
    static let subchannelData: UInt8 = 0x40
    /// Polled of GET EVENT STATUS NOTIFICATION, byte 1 (MMC-5 6.7.1).
    static let polled: UInt8 = 0x01
    /// PF of MODE SELECT, byte 1: there are pages (SPC-3 6.7).
    static let pageFormat: UInt8 = 0x10
    /// SP of MODE SELECT, byte 1: the pages are saved.
    static let savePages: UInt8 = 0x01
}

/// Pages of vital product data (SPC-3 7.6).
enum VitalProductPage {
    static let supportedPages: UInt8 = 0x00
    static let serialNumber: UInt8 = 0x80
    static let identification: UInt8 = 0x83
    static let unsupported: UInt8 = 0x01
}

/// Mode pages, and bits 7:6 beside their number (SPC-3 6.9.1; MMC-5 7).
enum ModePage {
    static let errorRecovery: UInt8 = 0x01
    static let audioControl: UInt8 = 0x0E
    static let capabilities: UInt8 = 0x2A
    static let all: UInt8 = 0x3F
    static let changeableValues: UInt8 = 0x40
    static let defaultValues: UInt8 = 0x80
    static let savedValues: UInt8 = 0xC0
}

/// The error register of a packet device: the sense key in bits 7:4 (ATA/ATAPI-6 7.9).
enum PacketError {
    static let notReady: UInt8 = 0x20
    static let mediumError: UInt8 = 0x30
    static let illegalRequest: UInt8 = 0x50
    static let unitAttention: UInt8 = 0x60
}

/// Classes of GET EVENT STATUS NOTIFICATION, a bit each (MMC-5 6.7.1.4).
enum EventClass {
    static let operationalChange: UInt8 = 0x02
    static let media: UInt8 = 0x10
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
