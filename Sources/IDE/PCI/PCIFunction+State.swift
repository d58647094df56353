import BlockPCI

// The configuration space in a saved state.
extension PCIFunction {
    func save(_ writer: inout StateWriter) {
        savedRegisters.withUnsafeBytes { writer.put($0) }
    }

    /// Reads what ``save(_:)`` wrote and compares what cannot be written.
    func decode(_ reader: inout StateReader) throws(IDEError) -> ArraySlice<UInt8> {
        let saved = try reader.takeData(exactly: configurationSize)
        if let offset = firstDifference(from: saved) {
            throw .otherHardware(
                "configuration register \(offset) is \(saved[saved.startIndex + offset])")
        }
        return saved
    }
}
