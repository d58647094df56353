// SET FEATURES (ATA/ATAPI-6 8.46).
extension ATADrive {
    /// Subcommands, the content of the features register (8.46, table 43).
    private enum Feature {
        static let enableWriteCache: UInt8 = 0x02
        static let setTransferMode: UInt8 = 0x03
        static let disableLookAhead: UInt8 = 0x55
        static let disableReverting: UInt8 = 0x66
        static let disableWriteCache: UInt8 = 0x82
        static let enableLookAhead: UInt8 = 0xAA
        static let enableReverting: UInt8 = 0xCC
    }

    func setFeatures() {
        switch registers.pointee.taskFile.features.current {
        case Feature.enableWriteCache: state.pointee.settings.isWriteCacheOn = true
        case Feature.disableWriteCache:
            state.pointee.settings.isWriteCacheOn = false
            // What is in the cache does not stay there.
            return flush()
        case Feature.enableLookAhead: state.pointee.settings.isLookAheadOn = true
        case Feature.disableLookAhead: state.pointee.settings.isLookAheadOn = false
        case Feature.enableReverting: state.pointee.settings.revertsOnReset = true
        case Feature.disableReverting: state.pointee.settings.revertsOnReset = false
        case Feature.setTransferMode:
            guard setTransferMode(registers.pointee.taskFile.count.current) else {
                return fail(ErrorBits.aborted)
            }
        default: return fail(ErrorBits.aborted)
        }
        succeed()
    }

    /// The modes that IDENTIFY DEVICE claims (8.46, table 44). A PIO mode leaves the DMA mode.
    private func setTransferMode(_ mode: UInt8) -> Bool {
        guard TransferMode.isKnown(mode) else { return false }
        if TransferMode.isDMA(mode) { state.pointee.settings.transferMode = mode }
        return true
    }
}
