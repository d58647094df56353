import BlockHost

/// What every message begins with ("Header"): 12 bytes. All fields are little-endian, as the hosts are.
struct VhostUserHeader: Equatable {
    static let size = 12

    /// The type of the message.
    var request: UInt32
    var flags: UInt32
    /// The length of the body in bytes.
    var bodySize: UInt32

    init(request: UInt32, flags: UInt32, bodySize: UInt32) {
        self.request = request
        self.flags = flags
        self.bodySize = bodySize
    }

    /// From the 12 bytes of a header.
    init(_ bytes: MessageBody) {
        request = bytes.u32(0) ?? 0
        flags = bytes.u32(4) ?? 0
        bodySize = bytes.u32(8) ?? 0
    }

    /// Whether it is a message of the front end in the only version of the protocol.
    var isRequest: Bool {
        flags & VhostUser.HeaderFlags.versionMask == VhostUser.HeaderFlags.version
            && flags & VhostUser.HeaderFlags.reply == 0
    }

    /// Whether the front end waits for an acknowledgement, if the message has no reply of its own.
    var needsReply: Bool { flags & VhostUser.HeaderFlags.needsReply != 0 }
}

extension MessageReader {
    /// A reader of vhost-user messages.
    convenience init(vhostUser socket: CInt) {
        self.init(
            socket,
            MessageFraming(
                headerSize: VhostUserHeader.size, sizeOffset: 8, includesHeader: false,
                maximumBodySize: VhostUser.Limit.body,
                maximumDescriptors: VhostUser.Limit.descriptors))
    }
}
