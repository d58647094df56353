import BlockATA

// Saving and restoring what a CD/DVD-ROM drive consists of.

extension ATAPISettings {
    func save(_ writer: inout StateWriter) {
        mode.save(&writer)
        writer.put(transferMode)
        writer.put(revertsOnReset)
        writer.put(isStandby)
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        try mode.load(&reader)
        transferMode = try reader.takeTransferMode()
        revertsOnReset = try reader.take()
        isStandby = try reader.take()
    }
}

extension ModeSettings {
    func save(_ writer: inout StateWriter) {
        writer.put(recovery.flags)
        writer.put(recovery.retries)
        for index in 0..<4 { writer.put(audio[index]) }
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        recovery = (try reader.take(), try reader.take())
        for index in 0..<4 { audio[index] = try reader.take() }
    }
}

extension Sense {
    func save(_ writer: inout StateWriter) {
        writer.put(key.rawValue)
        writer.put(code)
        writer.put(block != nil)
        writer.put(block ?? 0)
    }

    init(_ reader: inout StateReader) throws(IDEError) {
        guard let key = Key(rawValue: try reader.take()) else {
            throw .damagedState("an unknown sense key")
        }
        self.init(key, try reader.take())
        let hasBlock: Bool = try reader.take()
        let block: UInt32 = try reader.take()
        guard hasBlock || block == 0 else { throw .damagedState("a sense about no block") }
        self.block = hasBlock ? block : nil
    }
}

extension Tray {
    func save(_ writer: inout StateWriter) {
        writer.put(isOpen)
        writer.put(isLocked)
        writer.put(event.rawValue)
        writer.put(change.rawValue)
    }

    mutating func load(_ reader: inout StateReader) throws(IDEError) {
        isOpen = try reader.take()
        isLocked = try reader.take()
        guard let event = MediaEvent(rawValue: try reader.take()),
            let change = Change(rawValue: try reader.take())
        else { throw .damagedState("an unknown state of the tray") }
        self.event = event
        self.change = change
    }
}

extension StateReader {
    /// The selected mode of DMA.
    mutating func takeTransferMode() throws(IDEError) -> UInt8 {
        let mode: UInt8 = try take()
        guard TransferMode.isKnown(mode), TransferMode.isDMA(mode) else {
            throw .damagedState("transfer mode \(mode)")
        }
        return mode
    }
}
