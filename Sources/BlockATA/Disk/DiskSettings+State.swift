package import BlockState

extension DiskSettings: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&multiple, "multiple", in: 0...Self.maximumMultiple)
        try codec.check("multiple", "0 or a power of two", multiple & (multiple &- 1) == 0)
        try codec.flag(&isWriteCacheOn, "isWriteCacheOn")
        try codec.flag(&isLookAheadOn, "isLookAheadOn")
        try codec.transferMode(&transferMode)
        try codec.flag(&revertsOnReset, "revertsOnReset")
        try codec.number(&heads, "heads", in: 1...16)
        try codec.number(&sectors, "sectors", in: 1...255)
        try codec.flag(&isStandby, "isStandby")
        try codec.flag(&isSMARTOn, "isSMARTOn")
        try codec.flag(&isAutosaveOn, "isAutosaveOn")
    }
}
