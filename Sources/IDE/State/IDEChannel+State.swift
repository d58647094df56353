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

    func load(_ reader: inout StateReader) throws(IDEError) {
        state.pointee.selected = Int(try reader.take(0...1 as ClosedRange<UInt8>, "DEV"))
        state.pointee.deviceControl = try reader.take()
        state.pointee.isInterruptPending = try reader.take()
        state.pointee.isResetting = try reader.take()
        state.pointee.busMaster.load(
            command: try reader.take(), status: try reader.take(), table: try reader.take())
        state.pointee.isTableLonger = try reader.take()
        state.pointee.isDetached = try reader.take()
        try loadTable(&reader)
        for device in 0..<2 {
            try (registers + device).pointee.taskFile.load(&reader)
            registers[device].status = try reader.take()
            registers[device].error = try reader.take()
            registers[device].isArmed = try reader.take()
            try drive(device)?.load(&reader)
            guard drive(device) != nil || !registers[device].isArmed else {
                throw .damagedState("an absent drive has a command")
            }
        }
    }

    private func loadTable(_ reader: inout StateReader) throws(IDEError) {
        let saved = try reader.takeData(limit: 8 * PRDTable.maximumEntries)
        guard saved.count % 8 == 0 else { throw .damagedState("a part of a table entry") }
        var entries: [UInt64] = []
        for start in stride(from: saved.startIndex, to: saved.endIndex, by: 8) {
            entries.append(
                saved[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
        }
        state.pointee.table.load(entries)
    }
}

extension TaskFile {
    func save(_ writer: inout StateWriter) {
        for register in [features, count, lbaLow, lbaMid, lbaHigh] { writer.put(register.word) }
        writer.put(device)
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        features = TwoByteRegister(word: try reader.take())
        count = TwoByteRegister(word: try reader.take())
        lbaLow = TwoByteRegister(word: try reader.take())
        lbaMid = TwoByteRegister(word: try reader.take())
        lbaHigh = TwoByteRegister(word: try reader.take())
        device = try reader.take(UInt8.self) | DeviceRegister.alwaysSet
    }
}

extension TwoByteRegister {
    fileprivate init(word: UInt16) {
        self.init(UInt8(truncatingIfNeeded: word), UInt8(truncatingIfNeeded: word >> 8))
    }
}
