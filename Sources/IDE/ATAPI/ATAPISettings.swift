internal import BlockState

/// What a host can set in a drive, as at power-on.
struct ATAPISettings {
    var mode = ModeSettings()
    /// SET FEATURES 03h (ATA/ATAPI-6 8.46, table 44).
    var transferMode = TransferMode.default
    /// SET FEATURES CCh and 66h (8.46): a software reset sets the transfer mode back.
    var revertsOnReset = false
    /// In Standby mode (6.5).
    var isStandby = false

    mutating func softwareReset() {
        if revertsOnReset { transferMode = TransferMode.default }
    }
}

extension ATAPISettings: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.structure(&mode, "mode")
        try codec.transferMode(&transferMode)
        try codec.flag(&revertsOnReset, "revertsOnReset")
        try codec.flag(&isStandby, "isStandby")
    }
}
