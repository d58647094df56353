/// The packet commands of a CD/DVD-ROM drive. Sections are of MMC-5 unless another standard is
/// named.
enum PacketCommand: UInt8 {
    /// SPC-3 6.33
    case testUnitReady = 0x00
    /// SPC-3 6.27
    case requestSense = 0x03
    /// SPC-3 6.4
    case inquiry = 0x12
    /// SPC-3 6.9
    case modeSense6 = 0x1A
    /// 6.42
    case startStopUnit = 0x1B
    /// 6.14
    case preventAllowMediumRemoval = 0x1E
    /// 6.22
    case readCapacity = 0x25
    /// 6.16
    case read10 = 0x28
    /// 6.37
    case seek10 = 0x2B
    /// MMC-3 6.32
    case readSubchannel = 0x42
    /// 6.26
    case readTOC = 0x43
    /// SCSI-2 14.2.2
    case playAudio10 = 0x45
    /// 6.6
    case getConfiguration = 0x46
    /// SCSI-2 14.2.4
    case playAudioMSF = 0x47
    /// 6.7
    case getEventStatusNotification = 0x4A
    /// SCSI-2 14.2.1
    case pauseResume = 0x4B
    /// SFF-8020i 10.8
    case stopPlayScan = 0x4E
    /// 6.21
    case readDiscInformation = 0x51
    /// 6.27
    case readTrackInformation = 0x52
    /// SPC-3 6.8
    case modeSelect10 = 0x55
    /// SPC-3 6.10
    case modeSense10 = 0x5A
    /// SCSI-2 14.2.3
    case playAudio12 = 0xA5
    /// 6.17
    case read12 = 0xA8
    /// 6.23, by its former name
    case readDVDStructure = 0xAD
    /// 6.20
    case readCDMSF = 0xB9
    /// 6.38
    case setCDSpeed = 0xBB
    /// 6.10
    case mechanismStatus = 0xBD
    /// 6.19
    case readCD = 0xBE

    /// Carried out while a unit attention condition waits, and leaves it (MMC-5 4.1.6.1).
    var ignoresAttention: Bool {
        switch self {
        case .requestSense, .inquiry, .getConfiguration, .getEventStatusNotification: true
        default: false
        }
    }

    /// Needs a medium in a closed tray.
    var needsMedium: Bool {
        switch self {
        case .testUnitReady, .readCapacity, .read10, .read12, .readCD, .readCDMSF, .seek10,
            .readTOC, .readSubchannel, .readDiscInformation, .readTrackInformation,
            .readDVDStructure, .playAudio10, .playAudio12, .playAudioMSF, .pauseResume,
            .stopPlayScan:
            true
        default: false
        }
    }
}
