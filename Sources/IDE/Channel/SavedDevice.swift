import BlockATA
internal import BlockState

/// What is saved of one of the two devices of a channel: its registers, which are there without a drive
/// too, and the drive.
struct SavedDevice {
    var registers = DriveRegisters()
    var drive = SavedDrive.none
}

extension SavedDevice: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.structure(&registers, "registers")
        try codec.structure(&drive, "drive")
    }
}
