// Values of the features register that choose what a command does. They are written down here and not taken
// from `BlockATA`, so that the tests find a wrong one there.

/// SET FEATURES (ATA/ATAPI-6 8.46, table 43).
enum Feature {
    static let enableWriteCache: UInt8 = 0x02
    static let setTransferMode: UInt8 = 0x03
    static let disableReadLookAhead: UInt8 = 0x55
    static let disableReverting: UInt8 = 0x66
    static let disableWriteCache: UInt8 = 0x82
    static let enableReadLookAhead: UInt8 = 0xAA
    static let enableReverting: UInt8 = 0xCC
}

/// SMART (ATA/ATAPI-6 8.51).
enum SMARTFeature {
    static let readData: UInt8 = 0xD0
    static let readThresholds: UInt8 = 0xD1
    static let autosave: UInt8 = 0xD2
    static let executeOffline: UInt8 = 0xD4
    static let readLog: UInt8 = 0xD5
    static let enable: UInt8 = 0xD8
    static let disable: UInt8 = 0xD9
    static let returnStatus: UInt8 = 0xDA
}

/// What the address registers have with each SMART command (ATA/ATAPI-6 8.51).
enum SMARTKey {
    static let lbaMid: UInt8 = 0x4F
    static let lbaHigh: UInt8 = 0xC2
}

/// PACKET (ATA/ATAPI-6 8.23.4).
enum PacketFeature {
    static let dma: UInt8 = 0x01
    static let overlapped: UInt8 = 0x02
}

/// DATA SET MANAGEMENT (ACS-2 7.9).
enum DataSetManagement {
    static let trim: UInt16 = 1
}
