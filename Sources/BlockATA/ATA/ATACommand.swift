/// The commands of a disk. Sections are of ATA/ATAPI-6 unless another standard is named.
package enum ATACommand: UInt8 {
    /// 8.22
    case nop = 0x00
    /// ACS-2 7.9
    case dataSetManagement = 0x06
    /// ATA/ATAPI-3 8.28
    case recalibrate = 0x10
    /// 8.34
    case readSectors = 0x20
    /// ATA/ATAPI-3 8.27, without retries
    case readSectorsNoRetry = 0x21
    /// 8.35
    case readSectorsExt = 0x24
    /// 8.26
    case readDMAExt = 0x25
    /// 8.33
    case readNativeMaxAddressExt = 0x27
    /// 8.31
    case readMultipleExt = 0x29
    /// 8.62
    case writeSectors = 0x30
    /// ATA/ATAPI-3 8.44, without retries
    case writeSectorsNoRetry = 0x31
    /// 8.63
    case writeSectorsExt = 0x34
    /// 8.56
    case writeDMAExt = 0x35
    /// 8.61
    case writeMultipleExt = 0x39
    /// ACS-2 7.64
    case writeDMAFUAExt = 0x3D
    /// 8.36
    case readVerify = 0x40
    /// ATA/ATAPI-3 8.29, without retries
    case readVerifyNoRetry = 0x41
    /// 8.37
    case readVerifyExt = 0x42
    /// 8.44
    case seek = 0x70
    /// 8.12
    case executeDeviceDiagnostic = 0x90
    /// ATA/ATAPI-5 8.16
    case initializeDeviceParameters = 0x91
    /// 8.51
    case smart = 0xB0
    /// 8.30
    case readMultiple = 0xC4
    /// 8.60
    case writeMultiple = 0xC5
    /// 8.49
    case setMultipleMode = 0xC6
    /// 8.25
    case readDMA = 0xC8
    /// ATA/ATAPI-4 8.23, without retries
    case readDMANoRetry = 0xC9
    /// 8.55
    case writeDMA = 0xCA
    /// ATA/ATAPI-4 8.45, without retries
    case writeDMANoRetry = 0xCB
    /// ACS-2 7.69
    case writeMultipleFUAExt = 0xCE
    /// 8.24
    case readBuffer = 0xE4
    /// 8.13
    case flushCache = 0xE7
    /// 8.54
    case writeBuffer = 0xE8
    /// 8.14
    case flushCacheExt = 0xEA
    /// 8.15
    case identifyDevice = 0xEC
    /// 8.46
    case setFeatures = 0xEF
    /// 8.41
    case securityFreezeLock = 0xF5
    /// 8.32
    case readNativeMaxAddress = 0xF8

    /// Whether count and address are those of the 48-bit feature set (6.20).
    var is48Bit: Bool {
        switch self {
        case .readSectorsExt, .readDMAExt, .readMultipleExt, .writeSectorsExt, .writeDMAExt,
            .writeMultipleExt, .writeDMAFUAExt, .writeMultipleFUAExt, .readVerifyExt,
            .readNativeMaxAddressExt, .dataSetManagement, .flushCacheExt:
            true
        default: false
        }
    }

    /// Whether data must be on stable storage when the command ends.
    var forcesUnitAccess: Bool { self == .writeDMAFUAExt || self == .writeMultipleFUAExt }
}
