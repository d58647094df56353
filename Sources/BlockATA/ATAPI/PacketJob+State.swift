package import BlockState

extension PacketJob: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.choice(&kind, "kind")
        try codec.flag(&isDMA, "isDMA")
        try codec.number(&limit, "limit")
        try codec.flag(&isParked, "isParked")
        try codec.flag(&isMediumGone, "isMediumGone")
        try codec.number(&length, "length")
        try codec.number(&position, "position")
        try codec.number(&block, "block")
        try codec.structure(&fields, "fields")
        try codec.number(&heldFirst, "heldFirst")
        try codec.number(&heldCount, "heldCount", as: UInt32.self)
        try codec.number(&inHand, "inHand", as: UInt32.self)
    }

    /// How many bytes of the buffer the command still needs.
    var bytesInBuffer: Int {
        switch kind {
        case .none, .takingPacket: 0
        case .sendingPage, .replying, .selecting: Int(clamping: length)
        case .reading: heldCount &* fields.size
        }
    }
}
