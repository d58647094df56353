/// Codes in the command register (ATA/ATAPI-6 clause 8; DATA SET MANAGEMENT and WRITE MULTIPLE FUA EXT: ACS-2;
/// RECALIBRATE, the codes without retries and the retired ones: ATA/ATAPI-3). The numbers are written down here and not taken
/// from `BlockATA`, so that the tests find a wrong one there.
enum Opcode {
    static let nop: UInt8 = 0x00
    static let dataSetManagement: UInt8 = 0x06
    static let deviceReset: UInt8 = 0x08
    static let recalibrate: UInt8 = 0x10
    static let readSectors: UInt8 = 0x20
    static let readSectorsNoRetry: UInt8 = 0x21
    static let readSectorsExt: UInt8 = 0x24
    static let readDMAExt: UInt8 = 0x25
    static let readNativeMaxAddressExt: UInt8 = 0x27
    static let readMultipleExt: UInt8 = 0x29
    static let writeSectors: UInt8 = 0x30
    static let writeSectorsNoRetry: UInt8 = 0x31
    static let writeSectorsExt: UInt8 = 0x34
    static let writeDMAExt: UInt8 = 0x35
    static let writeMultipleExt: UInt8 = 0x39
    static let writeDMAFUAExt: UInt8 = 0x3D
    static let readVerify: UInt8 = 0x40
    static let readVerifyNoRetry: UInt8 = 0x41
    static let readVerifyExt: UInt8 = 0x42
    static let seek: UInt8 = 0x70
    static let executeDeviceDiagnostic: UInt8 = 0x90
    static let initializeDeviceParameters: UInt8 = 0x91
    static let retiredStandbyImmediate: UInt8 = 0x94
    static let retiredIdleImmediate: UInt8 = 0x95
    static let retiredStandby: UInt8 = 0x96
    static let retiredIdle: UInt8 = 0x97
    static let retiredCheckPowerMode: UInt8 = 0x98
    static let retiredSleep: UInt8 = 0x99
    static let packet: UInt8 = 0xA0
    static let identifyPacketDevice: UInt8 = 0xA1
    static let smart: UInt8 = 0xB0
    static let readMultiple: UInt8 = 0xC4
    static let writeMultiple: UInt8 = 0xC5
    static let setMultipleMode: UInt8 = 0xC6
    static let readDMA: UInt8 = 0xC8
    static let readDMANoRetry: UInt8 = 0xC9
    static let writeDMA: UInt8 = 0xCA
    static let writeDMANoRetry: UInt8 = 0xCB
    static let writeMultipleFUAExt: UInt8 = 0xCE
    static let standbyImmediate: UInt8 = 0xE0
    static let idleImmediate: UInt8 = 0xE1
    static let standby: UInt8 = 0xE2
    static let idle: UInt8 = 0xE3
    static let readBuffer: UInt8 = 0xE4
    static let checkPowerMode: UInt8 = 0xE5
    static let sleep: UInt8 = 0xE6
    static let flushCache: UInt8 = 0xE7
    static let writeBuffer: UInt8 = 0xE8
    static let flushCacheExt: UInt8 = 0xEA
    static let identifyDevice: UInt8 = 0xEC
    static let setFeatures: UInt8 = 0xEF
    static let securityFreezeLock: UInt8 = 0xF5
    static let readNativeMaxAddress: UInt8 = 0xF8
    /// A vendor-specific code: no drive has this command.
    static let unknown: UInt8 = 0xFF
}
