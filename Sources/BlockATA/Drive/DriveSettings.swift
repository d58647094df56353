/// What a guest can set in every kind of drive.
protocol DriveSettings {
    /// SET FEATURES 03h (ATA/ATAPI-6 8.46, table 44).
    var transferMode: UInt8 { get set }
    /// SET FEATURES CCh and 66h (8.46): whether a software reset sets features back.
    var revertsOnReset: Bool { get set }
    /// In Standby mode (ATA/ATAPI-6 6.5).
    var isStandby: Bool { get set }
}
