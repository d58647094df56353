import BlockATA

// Saving and restoring a drive of either kind. Its registers are the channel's to save.
extension AttachedDrive {
    /// Says what the drive is, for a saved state to be compared with; nothing without a drive.
    func describe(_ writer: inout StateWriter) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.describe(&writer)
        case .packet(let drive): drive.describe(&writer)
        }
    }

    /// Saves settings and the command under way. Not busy.
    func save(_ writer: inout StateWriter, _ registers: DriveRegisters) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.save(&writer, registers)
        case .packet(let drive): drive.save(&writer, registers)
        }
    }

    /// Reads and checks what ``save(_:_:)`` wrote, and changes nothing; `nil` without a drive.
    func decode(_ reader: inout StateReader, isArmed: Bool) throws(IDEError) -> SavedDrive? {
        switch self {
        case .absent: nil
        case .disk(let drive): try drive.decode(&reader, isArmed: isArmed)
        case .packet(let drive): try drive.decode(&reader, isArmed: isArmed)
        }
    }
}
