package import BlockState

extension DiskJob: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.choice(&kind, "kind")
        try codec.choice(&addressing, "addressing")
        try codec.flag(&isDurable, "isDurable")
        try codec.flag(&isParked, "isParked")
        try codec.number(&sector, "sector")
        try codec.number(&remaining, "remaining", as: UInt32.self, in: 0...65536)
        try codec.number(&blockSize, "blockSize", as: UInt8.self, in: 1...16)
        try codec.number(&inHand, "inHand", as: UInt32.self, in: 0...65536)
    }
}
