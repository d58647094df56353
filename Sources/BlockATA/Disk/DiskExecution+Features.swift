// SET FEATURES (ATA/ATAPI-6 8.46).
extension DiskExecution {
    /// Subcommands, the content of the features register (8.46, table 43).
    private enum Feature {
        static let enableWriteCache: UInt8 = 0x02
        static let disableLookAhead: UInt8 = 0x55
        static let disableWriteCache: UInt8 = 0x82
        static let enableLookAhead: UInt8 = 0xAA
    }

    func setFeatures() {
        switch registers.pointee.taskFile.features.current {
        case Feature.enableWriteCache: settings.isWriteCacheOn = true
        case Feature.disableWriteCache:
            settings.isWriteCacheOn = false
            // Switching the cache off flushes it.
            return flush()
        case Feature.enableLookAhead: settings.isLookAheadOn = true
        case Feature.disableLookAhead: settings.isLookAheadOn = false
        default: return setSharedFeature()
        }
        succeed()
    }
}
