package import BlockState

/// What a guest can set in a drive. The initial values are those at power-on.
package struct ATAPISettings: DriveSettings {
    package var mode = ModeSettings()
    /// SET FEATURES 03h (ATA/ATAPI-6 8.46, table 44).
    package var transferMode = TransferMode.default
    /// SET FEATURES CCh and 66h (8.46): a software reset sets the transfer mode back.
    package var revertsOnReset = false
    /// In Standby mode (6.5).
    package var isStandby = false

    package init() {}

    package mutating func softwareReset() {
        if revertsOnReset { transferMode = TransferMode.default }
    }
}

extension ATAPISettings: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.structure(&mode, "mode")
        try codec.transferMode(&transferMode)
        try codec.flag(&revertsOnReset, "revertsOnReset")
        try codec.flag(&isStandby, "isStandby")
    }
}
