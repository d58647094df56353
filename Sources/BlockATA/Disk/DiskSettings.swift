/// What a guest can set in a disk. The initial values are those at power-on.
package struct DiskSettings: DriveSettings {
    /// Sectors in a block of READ and WRITE MULTIPLE, 0 when they are off (ATA/ATAPI-6 8.49).
    package var multiple: UInt8 = Self.maximumMultiple
    /// SET FEATURES 02h and 82h (8.46)
    package var isWriteCacheOn = true
    /// SET FEATURES AAh and 55h (8.46)
    package var isLookAheadOn = true
    /// SET FEATURES 03h (8.46, table 44): Ultra DMA mode 5.
    package var transferMode = TransferMode.default
    /// SET FEATURES CCh and 66h (8.46): a software reset sets all but power and SMART back.
    package var revertsOnReset = false
    /// The current translation (ATA/ATAPI-5 8.16).
    package var heads: UInt8
    /// The current translation (ATA/ATAPI-5 8.16).
    package var sectors: UInt8
    /// In Standby mode (ATA/ATAPI-6 6.5).
    package var isStandby = false
    /// SMART is enabled (8.51).
    package var isSMARTOn = true
    /// SMART attributes are saved automatically (8.51.2).
    package var isAutosaveOn = true

    /// IDENTIFY DEVICE word 47 (8.15.24).
    package static let maximumMultiple: UInt8 = 16

    package init(_ geometry: DiskGeometry) {
        heads = UInt8(clamping: geometry.heads)
        sectors = UInt8(clamping: geometry.sectors)
    }
}
