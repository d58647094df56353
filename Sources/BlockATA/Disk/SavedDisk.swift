package import BlockState

/// What is saved of a disk: what it is, its settings, and the command that it is at work on.
package struct SavedDisk {
    /// Compared with the disk that the state is loaded into.
    var sectorCount: UInt64 = 0
    /// Compared in the same way.
    var geometry = DiskGeometry(sectorCount: 0)
    var settings = DiskSettings(DiskGeometry(sectorCount: 0))
    var job = DiskJob()
    var opcode: UInt8 = 0
    var parameters = TaskFile()
    var errorLog = SMARTErrorLog()
    var selfTests = SMARTSelfTestLog()
    var sectorBuffer = [UInt8](repeating: 0, count: ATADisk.sectorSize)
    var window = SavedWindow()
    /// The beginning of the buffer, as far as the command still needs it.
    var data: [UInt8] = []

    /// How many bytes of the buffer the command still needs: the window, or the data of a kept
    /// request.
    var dataCount: Int {
        guard job.isParked else { return window.end }
        return switch job.kind {
        case .writingBlocks: job.inHand * ATADisk.sectorSize
        case .trimming: job.remaining * ATADisk.sectorSize
        default: 0
        }
    }
}

extension SavedDisk: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&sectorCount, "sectorCount")
        try codec.structure(&geometry, "geometry")
        try codec.structure(&settings, "settings")
        try codec.structure(&job, "job")
        try codec.number(&opcode, "opcode")
        try codec.structure(&parameters, "parameters")
        try codec.structure(&errorLog, "errorLog")
        try codec.structure(&selfTests, "selfTests")
        try codec.bytes(&sectorBuffer, "sectorBuffer", count: ATADisk.sectorSize)
        try codec.structure(&window, "window")
        try codec.check("window", "its `offset` is 0", window.offset == 0)
        try codec.data(&data, "data", atMost: ATADrive.bufferSize)
        try codec.check(
            "data", "what the window has; of a kept request, what it will write or trim",
            data.count == dataCount)
    }
}
