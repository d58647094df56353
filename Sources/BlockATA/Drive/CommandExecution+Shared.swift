/// Subcommands of SET FEATURES that every kind of drive has: the content of the features register
/// (ATA/ATAPI-6 8.46, table 43).
private enum SharedFeature {
    static let setTransferMode: UInt8 = 0x03
    static let disableReverting: UInt8 = 0x66
    static let enableReverting: UInt8 = 0xCC
}

// Commands that every kind of drive carries out in the same way.
extension CommandExecution {
    /// A command that is not one of the drive's own.
    func executeShared(_ command: UInt8) {
        switch PowerCommand(rawValue: command) {
        case .checkPowerMode, .checkPowerModeOld: checkPowerMode()
        case .standby, .standbyOld, .standbyImmediate, .standbyImmediateOld:
            settings.isStandby = true
            succeed()
        case .idle, .idleOld, .idleImmediate, .idleImmediateOld:
            settings.isStandby = false
            succeed()
        case .sleep, .sleepOld: succeed()
        case nil: abort()
        }
    }

    /// CHECK POWER MODE (8.7): 00h is Standby, FFh Active or Idle.
    private func checkPowerMode() {
        registers.pointee.taskFile.count.current = settings.isStandby ? 0 : 0xFF
        succeed()
    }

    /// SET FEATURES (8.46) with a subcommand that is not one of the drive's own.
    func setSharedFeature() {
        switch registers.pointee.taskFile.features.current {
        case SharedFeature.enableReverting: settings.revertsOnReset = true
        case SharedFeature.disableReverting: settings.revertsOnReset = false
        case SharedFeature.setTransferMode:
            guard setTransferMode(registers.pointee.taskFile.count.current) else {
                return abort()
            }
        default: return abort()
        }
        succeed()
    }

    /// The modes that IDENTIFY claims (8.46, table 44). A PIO mode leaves the DMA mode.
    private func setTransferMode(_ mode: UInt8) -> Bool {
        guard TransferMode.isKnown(mode) else { return false }
        if TransferMode.isDMA(mode) { settings.transferMode = mode }
        return true
    }
}
