package import BlockState

/// What MODE SELECT can set (SPC-3 6.8): the error recovery and audio pages.
package struct ModeSettings: Equatable {
    /// Read error recovery parameters (MMC-5 7.3): flags, and retries.
    package var recovery: (flags: UInt8, retries: UInt8) = Self.defaultRecovery
    /// CD audio control (MMC-3 6.3.7): the output port of each of two channels, and its volume.
    package var audio = Self.defaultAudio

    package static let errorRecovery: UInt8 = 0x01
    package static let audioControl: UInt8 = 0x0E

    private static let defaultRecovery: (flags: UInt8, retries: UInt8) = (0x00, 0x05)
    private static let defaultAudio = SIMD4<UInt8>(0x01, 0xFF, 0x02, 0xFF)

    package static func == (one: Self, other: Self) -> Bool {
        one.recovery == other.recovery && one.audio == other.audio
    }

    func page(_ number: UInt8, _ control: PacketReply.PageControl) -> [UInt8] {
        let source = control == .default ? ModeSettings() : self
        if number == Self.errorRecovery {
            let (flags, retries) =
                control == .changeable ? (0xFF, 0xFF) : source.recovery
            return [number, 6, flags, retries, 0, 0, 0, 0]
        }
        let audio = control == .changeable ? SIMD4(repeating: 0xFF) : source.audio
        // Byte 2, IMMED, is always set; channels 2 and 3 there are not.
        return [number, 14, control == .changeable ? 0 : 0x04, 0, 0, 0, 0, 0]
            + [audio[0], audio[1], audio[2], audio[3], 0, 0, 0, 0]
    }

    /// Applies a parameter list with the long header (SPC-3 7.4.3). If the list is wrong, this
    /// returns a sense and applies nothing.
    package mutating func select(_ list: [UInt8]) -> Sense? {
        // Mode data length, medium type and so on are reserved here; the last two bytes are the
        // length of block descriptors.
        guard list.count >= 8 else { return list.isEmpty ? nil : .parameterListLength }
        var place = 8 + (Int(list[6]) << 8 | Int(list[7]))
        guard place <= list.count else { return .parameterListLength }
        var changed = self
        while place < list.count {
            guard place + 2 <= list.count else { return .parameterListLength }
            let length = Int(list[place + 1])
            guard list.count - place - 2 >= length else { return .parameterListLength }
            let page = Array(list[place + 2..<place + 2 + length])
            guard changed.set(list[place] & 0x3F, page) else {
                return .invalidParameter
            }
            place += 2 + length
        }
        self = changed
        return nil
    }

    private mutating func set(_ number: UInt8, _ page: [UInt8]) -> Bool {
        switch (number, page.count) {
        case (Self.errorRecovery, 6):
            recovery = (page[0], page[1])
            return true
        case (Self.audioControl, 14):
            audio = SIMD4(page[6], page[7], page[8], page[9])
            return true
        default: return false
        }
    }
}

extension ModeSettings: StateFields {
    package mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&recovery.flags, "recoveryFlags")
        try codec.number(&recovery.retries, "recoveryRetries")
        var bytes = (0..<4).map { audio[$0] }
        try codec.bytes(&bytes, "audio", count: 4)
        for index in 0..<4 { audio[index] = bytes[index] }
    }
}
