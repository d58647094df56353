package import BlockState

/// Why a packet command failed (SPC-3 4.5).
package struct Sense: Equatable {
    /// SPC-3 table 27
    package enum Key: UInt8, CaseIterable {
        case none = 0x0
        case notReady = 0x2
        case mediumError = 0x3
        case illegalRequest = 0x5
        case unitAttention = 0x6
    }

    package private(set) var key: Key
    /// Additional sense code and, in the low byte, its qualifier (MMC-5 annex F).
    package private(set) var code: UInt16
    /// The logical block it is about (SPC-3 4.5.2.1); `nil` for none.
    package var block: UInt32?

    package init(_ key: Key, _ code: UInt16) {
        self.key = key
        self.code = code
    }

    package static let none = Sense(.none, 0x0000)
    package static let mediumNotPresent = Sense(.notReady, 0x3A00)
    package static let removalPrevented = Sense(.notReady, 0x5302)
    package static let parameterListLength = Sense(.illegalRequest, 0x1A00)
    package static let invalidOperation = Sense(.illegalRequest, 0x2000)
    package static let blockOutOfRange = Sense(.illegalRequest, 0x2100)
    package static let invalidField = Sense(.illegalRequest, 0x2400)
    package static let invalidParameter = Sense(.illegalRequest, 0x2600)
    package static let incompatibleMedium = Sense(.illegalRequest, 0x3002)
    package static let commandSequence = Sense(.illegalRequest, 0x2C00)
    package static let savingNotSupported = Sense(.illegalRequest, 0x3900)
    package static let illegalMode = Sense(.illegalRequest, 0x6400)
    package static let mediumMayHaveChanged = Sense(.unitAttention, 0x2800)

    /// The block at `block` cannot be read.
    package static func unrecoveredRead(_ block: UInt32) -> Sense {
        var sense = Sense(.mediumError, 0x1100)
        sense.block = block
        return sense
    }

    /// The error register with it (SFF-8020i 7.1.3): the sense key, high.
    package var errorRegister: UInt8 { key.rawValue << 4 }

    /// Bytes of sense data in the fixed format.
    package static let size = 18

    /// The fixed format (SPC-3 4.5.3), with the command that was current.
    func fill(_ reply: inout PacketReply) {
        // Bit 7, VALID, is for the information field.
        reply.put8(block == nil ? 0x70 : 0xF0)
        reply.put8(0)
        reply.put8(key.rawValue)
        reply.put32(block ?? 0)
        reply.put8(UInt8(Self.size - 8))
        reply.put32(0)
        reply.put16(code)
        reply.put32(0)
    }
}

extension Sense: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.choice(&key, "key")
        try codec.number(&code, "code")
        var (hasBlock, number) = (block != nil, block ?? 0)
        try codec.flag(&hasBlock, "hasBlock")
        try codec.number(&number, "block")
        try codec.check("block", "0 unless `hasBlock`", hasBlock || number == 0)
        block = hasBlock ? number : nil
    }
}
