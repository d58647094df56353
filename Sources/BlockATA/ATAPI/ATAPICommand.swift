/// The commands of a packet device other than packet commands. Sections are of ATA/ATAPI-6 unless
/// another standard is named.
enum ATAPICommand: UInt8 {
    /// 8.22
    case nop = 0x00
    /// 8.10
    case deviceReset = 0x08
    /// 8.34, only to be refused
    case readSectors = 0x20
    /// ATA/ATAPI-4 8.27, where it is the same command and refused in the same way
    case readSectorsNoRetry = 0x21
    /// 8.23
    case packet = 0xA0
    /// 8.16
    case identifyPacketDevice = 0xA1
    /// 8.15, only to be refused
    case identifyDevice = 0xEC
    /// 8.46
    case setFeatures = 0xEF
}
