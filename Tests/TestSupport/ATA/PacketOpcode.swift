/// First bytes of command packets (MMC-5, SPC-3; the audio commands: SCSI-2). The numbers are written down
/// here and not taken from `BlockATA`, so that the tests find a wrong one there.
enum PacketOpcode {
    static let testUnitReady: UInt8 = 0x00
    static let requestSense: UInt8 = 0x03
    static let formatUnit: UInt8 = 0x04
    static let write6: UInt8 = 0x0A
    static let inquiry: UInt8 = 0x12
    static let modeSense6: UInt8 = 0x1A
    static let startStopUnit: UInt8 = 0x1B
    static let preventAllowMediumRemoval: UInt8 = 0x1E
    static let readCapacity: UInt8 = 0x25
    static let read10: UInt8 = 0x28
    static let write10: UInt8 = 0x2A
    static let seek10: UInt8 = 0x2B
    static let synchronizeCache: UInt8 = 0x35
    static let readSubchannel: UInt8 = 0x42
    static let readTOC: UInt8 = 0x43
    static let playAudio10: UInt8 = 0x45
    static let getConfiguration: UInt8 = 0x46
    static let playAudioMSF: UInt8 = 0x47
    static let getEventStatusNotification: UInt8 = 0x4A
    static let pauseResume: UInt8 = 0x4B
    static let stopPlayScan: UInt8 = 0x4E
    static let readDiscInformation: UInt8 = 0x51
    static let readTrackInformation: UInt8 = 0x52
    static let modeSelect10: UInt8 = 0x55
    static let modeSense10: UInt8 = 0x5A
    static let blank: UInt8 = 0xA1
    static let playAudio12: UInt8 = 0xA5
    static let read12: UInt8 = 0xA8
    static let readDVDStructure: UInt8 = 0xAD
    static let readCDMSF: UInt8 = 0xB9
    static let setCDSpeed: UInt8 = 0xBB
    static let mechanismStatus: UInt8 = 0xBD
    static let readCD: UInt8 = 0xBE
    /// A vendor-specific code: no drive has this command.
    static let unknown: UInt8 = 0xFF
}
