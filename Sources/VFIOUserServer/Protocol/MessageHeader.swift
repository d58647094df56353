import BlockHost

/// What every message begins with ("Header"). All fields are little-endian, as the hosts are.
struct MessageHeader: Equatable {
    static let size = 16

    /// The sender's; a reply has that of its command.
    var id: UInt16
    var command: UInt16
    /// Of the message with its header, in bytes.
    var messageSize: UInt32
    var flags: UInt32
    /// An errno, with the error flag.
    var error: UInt32

    init(id: UInt16, command: UInt16, messageSize: UInt32 = 0, flags: UInt32, error: UInt32 = 0) {
        self.id = id
        self.command = command
        self.messageSize = messageSize
        self.flags = flags
        self.error = error
    }

    /// From the 16 bytes of a header.
    init(_ bytes: MessageBody) {
        id = bytes.u16(0) ?? 0
        command = bytes.u16(2) ?? 0
        messageSize = bytes.u32(4) ?? 0
        flags = bytes.u32(8) ?? 0
        error = bytes.u32(12) ?? 0
    }

    var isReply: Bool { flags & VFIOUser.HeaderFlags.typeMask == VFIOUser.HeaderFlags.reply }

    var isCommand: Bool { flags & VFIOUser.HeaderFlags.typeMask == VFIOUser.HeaderFlags.command }

    /// The sender does not want to hear of it, not even of an error.
    var wantsNoReply: Bool { flags & VFIOUser.HeaderFlags.noReply != 0 }

    var hasFailed: Bool { flags & VFIOUser.HeaderFlags.error != 0 }
}
