/// Words of the answer to IDENTIFY DEVICE (ATA/ATAPI-6 8.15.8; the words of TRIM: ACS-2). The numbers are written
/// down here and not taken from `BlockATA`, so that the tests find a wrong one there.
enum IdentifyWord {
    static let configuration = 0
    static let cylinders = 1
    static let heads = 3
    static let sectorsPerTrack = 6
    static let serial = 10...19
    static let firmware = 23...26
    static let model = 27...46
    /// The most sectors of a block of READ MULTIPLE, in bits 7:0.
    static let multipleMaximum = 47
    static let capabilities = 49
    /// Cylinders, heads and sectors per track of the current translation, and their product in two words.
    static let currentGeometry = 54...58
    static let currentHeads = 55
    /// The sectors of a block of READ MULTIPLE in bits 7:0; bit 8 is set when there is such a number.
    static let multipleSetting = 59
    /// Sectors that 28 bits address.
    static let sectors28 = 60...61
    /// The modes that the drive has in bits 7:0, and the one that is set in bits 15:8.
    static let multiwordDMA = 63
    static let supportedCommandSets = 82
    static let enabledCommandSets = 85
    /// As the word of multiword DMA.
    static let ultraDMA = 88
    static let hardwareReset = 93
    /// Sectors that 48 bits address.
    static let sectors48 = 100...103
    /// The most blocks of 512 bytes that DATA SET MANAGEMENT takes.
    static let trimBlocks = 105
    static let dataSetManagement = 169
}

/// Bits of the words of command sets.
enum CommandSetBit {
    static let smart = 0
    static let writeCache = 5
    static let readLookAhead = 6
}
