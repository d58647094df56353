// Saving and restoring a channel.
extension IDEChannel {
    func save(_ writer: inout StateWriter) {
        writer.put(UInt8(state.pointee.selected))
        writer.put(state.pointee.deviceControl)
        writer.put(state.pointee.isInterruptPending)
        writer.put(state.pointee.isResetting)
        writer.put(state.pointee.busMaster.command)
        writer.put(state.pointee.busMaster.status)
        writer.put(state.pointee.busMaster.table)
        writer.put(state.pointee.isTableLonger)
        writer.put(state.pointee.isDetached)
        writer.put(UnsafeRawBufferPointer(state.pointee.table.raw))
        for device in 0..<2 {
            let own = registers[device]
            own.taskFile.save(&writer)
            writer.put(own.status)
            writer.put(own.error)
            writer.put(own.isArmed)
            drive(device)?.save(&writer)
        }
    }

    /// Reads and checks what ``save(_:)`` wrote. Nothing changes until the result is called, which
    /// is when the channel has been reset. Also returns the level of INTRQ.
    func decode(
        _ reader: inout StateReader
    ) throws(IDEError) -> (apply: () -> Void, isRaised: Bool) {
        let saved = try SavedChannel(&reader)
        let first = try decode(0, saved, &reader)
        let second = try decode(1, saved, &reader)
        guard !saved.isInterruptPending || !isEmpty else {
            throw .damagedState("an interrupt without a drive")
        }
        let apply = { [self] in
            take(saved)
            for (device, (drive, own)) in [first, second].enumerated() {
                drive?.apply()
                registers[device] = own
            }
        }
        return (apply, saved.isRaised)
    }

    private func decode(
        _ device: Int, _ saved: SavedChannel, _ reader: inout StateReader
    ) throws(IDEError) -> (SavedDrive?, DriveRegisters) {
        var own = DriveRegisters()
        own.taskFile = try TaskFile(&reader)
        own.status = try reader.take()
        own.error = try reader.take()
        own.isArmed = try reader.take()
        guard let drive = drive(device) else {
            try saved.checkAbsent(own)
            return (nil, own)
        }
        let savedDrive = try drive.decode(&reader, isArmed: own.isArmed)
        try saved.check(own, of: device, signature: drive.signature, savedDrive.activity)
        own.window = savedDrive.window
        return (savedDrive, own)
    }

    private func take(_ saved: SavedChannel) {
        state.pointee.selected = saved.selected
        state.pointee.deviceControl = saved.deviceControl
        state.pointee.isInterruptPending = saved.isInterruptPending
        state.pointee.isResetting = saved.isResetting
        state.pointee.busMaster = saved.busMaster
        state.pointee.isTableLonger = saved.isTableLonger
        state.pointee.isDetached = saved.isDetached
        state.pointee.table.load(saved.table)
    }
}

extension BusMaster {
    /// Bits that are always 0 are 0 in a state too, and only a channel that is started is active.
    init(_ reader: inout StateReader) throws(IDEError) {
        let (command, status, table): (UInt8, UInt8, UInt32) = (
            try reader.take(), try reader.take(), try reader.take()
        )
        self.init(command: command, status: status, table: table)
        guard self.command == command, self.status == status, self.table == table,
            !isActive || command & Command.start != 0
        else { throw .damagedState("bus-master registers \(command), \(status), \(table)") }
    }
}

extension TaskFile {
    func save(_ writer: inout StateWriter) {
        for register in [features, count, lbaLow, lbaMid, lbaHigh] { writer.put(register.word) }
        writer.put(device)
    }

    init(_ reader: inout StateReader) throws(IDEError) {
        features = TwoByteRegister(word: try reader.take())
        count = TwoByteRegister(word: try reader.take())
        lbaLow = TwoByteRegister(word: try reader.take())
        lbaMid = TwoByteRegister(word: try reader.take())
        lbaHigh = TwoByteRegister(word: try reader.take())
        device = try reader.take()
        guard device & DeviceRegister.alwaysSet == DeviceRegister.alwaysSet else {
            throw .damagedState("device register \(device)")
        }
    }
}

extension TwoByteRegister {
    fileprivate init(word: UInt16) {
        self.init(UInt8(truncatingIfNeeded: word), UInt8(truncatingIfNeeded: word >> 8))
    }
}
