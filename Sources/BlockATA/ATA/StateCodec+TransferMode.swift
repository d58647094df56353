internal import BlockState

extension StateCodec {
    /// The selected mode of DMA.
    mutating func transferMode(_ mode: inout UInt8) throws(StateError) {
        try number(&mode, "transferMode")
        try check(
            "transferMode", "a DMA mode of SET FEATURES 03h: 20h to 22h, 40h to 45h",
            TransferMode.isKnown(mode) && TransferMode.isDMA(mode))
    }
}
