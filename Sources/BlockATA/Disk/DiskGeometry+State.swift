package import BlockState

extension DiskGeometry: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&cylinders, "cylinders", as: UInt16.self)
        try codec.number(&heads, "heads", as: UInt8.self, in: 1...16)
        try codec.number(&sectors, "sectors", as: UInt8.self, in: 1...255)
    }
}
