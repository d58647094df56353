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

    /// From the first 16 bytes.
    init(_ bytes: UnsafeRawPointer) {
        id = unsafe UInt16(littleEndian: bytes.loadUnaligned(as: UInt16.self))
        command = unsafe UInt16(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        messageSize = unsafe UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        flags = unsafe UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
        error = unsafe UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
    }

    var isReply: Bool { flags & VFIOUser.HeaderFlags.typeMask == VFIOUser.HeaderFlags.reply }

    var isCommand: Bool { flags & VFIOUser.HeaderFlags.typeMask == VFIOUser.HeaderFlags.command }

    /// The sender does not want to hear of it, not even of an error.
    var wantsNoReply: Bool { flags & VFIOUser.HeaderFlags.noReply != 0 }

    var hasFailed: Bool { flags & VFIOUser.HeaderFlags.error != 0 }
}
