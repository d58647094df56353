package import BlockState

extension CommandPacket: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        var bytes = (0..<Self.size).map { self[$0] }
        try codec.bytes(&bytes, "bytes", count: Self.size)
        self = CommandPacket(bytes)
    }
}
