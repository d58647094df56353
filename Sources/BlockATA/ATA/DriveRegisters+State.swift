package import BlockState

/// All but the window, which is where the drive has its buffer.
extension DriveRegisters: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.structure(&taskFile, "taskFile")
        try codec.number(&status, "status")
        try codec.number(&error, "error")
        try codec.flag(&isArmed, "isArmed")
    }
}
