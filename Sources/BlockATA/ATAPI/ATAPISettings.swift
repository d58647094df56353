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

extension ATAPISettings {
    func save(_ writer: inout StateWriter) {
        mode.save(&writer)
        writer.put(transferMode)
        writer.put(revertsOnReset)
        writer.put(isStandby)
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        try mode.load(&reader)
        transferMode = try TransferMode.take(&reader)
        revertsOnReset = try reader.take()
        isStandby = try reader.take()
    }
}
