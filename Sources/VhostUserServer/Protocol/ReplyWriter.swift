import BlockHost

/// Builds a message to the front end and sends it.
struct ReplyWriter {
    private var bytes: [UInt8] = []

    /// A message of this type. `flags` are those beside the version.
    init(_ request: UInt32, flags: UInt32) {
        put(request)
        put(flags | VhostUser.HeaderFlags.version)
        put(UInt32(0))
    }

    mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    mutating func put(_ data: some Sequence<UInt8>) { bytes.append(contentsOf: data) }

    /// Sends the message with a descriptor, which stays the caller's. Returns false if the kernel does not
    /// take all of it: a front end takes each reply before it sends the next message.
    func send(_ socket: CInt, descriptor: CInt? = nil) -> Bool {
        var message = bytes
        let size = UInt32(truncatingIfNeeded: message.count - VhostUserHeader.size)
        for index in 0..<4 {
            message[8 + index] = UInt8(truncatingIfNeeded: size >> UInt32(8 * index))
        }
        return unsafe message.withUnsafeBytes {
            unsafe StreamSocket.send(
                socket, $0, descriptors: descriptor.map { [$0] } ?? []) == $0.count
        }
    }
}
