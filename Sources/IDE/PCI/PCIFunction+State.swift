import BlockPCI
internal import BlockState

extension PCIFunction {
    /// Compares what cannot be written.
    func check(_ saved: [UInt8]) throws(StateError) {
        if let offset = firstDifference(from: saved) {
            throw .mismatch(
                field: "registers", reason: "register \(offset) is \(saved[offset])")
        }
    }
}
