/// A message as a test makes and sees it.
struct VFIOMessage: Equatable {
    var id: UInt16 = 0
    var command: UInt16
    var flags: UInt32 = 0
    var error: UInt32 = 0
    var body: [UInt8] = []

    var bytes: [UInt8] {
        le(id) + le(command) + le(UInt32(16 + body.count)) + le(flags) + le(error) + body
    }

    /// The message that some bytes begin with, and its length; `nil` when it is not there as a whole.
    static func first(of bytes: [UInt8]) -> (VFIOMessage, length: Int)? {
        guard bytes.count >= 16 else { return nil }
        return bytes.withUnsafeBytes { bytes in
            let length = Int(bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            guard length >= 16, bytes.count >= length else { return nil }
            let message = VFIOMessage(
                id: bytes.loadUnaligned(as: UInt16.self),
                command: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self),
                flags: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
                error: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self),
                body: Array(bytes[16..<length]))
            return (message, length)
        }
    }

    var isReply: Bool { flags & VFIOMessageFlags.typeMask == VFIOMessageFlags.reply }
    /// The errno of an error reply, 0 of another.
    var failure: Int32 { flags & VFIOMessageFlags.error == 0 ? 0 : Int32(bitPattern: error) }

    func u32(_ offset: Int) -> UInt32 { number(offset) }
    func u64(_ offset: Int) -> UInt64 { number(offset) }

    private func number<Value: FixedWidthInteger>(_ offset: Int) -> Value {
        guard offset + MemoryLayout<Value>.size <= body.count else { return 0 }
        return body[offset...].withUnsafeBytes {
            Value(littleEndian: $0.loadUnaligned(as: Value.self))
        }
    }
}

/// The bytes of a number as they are on the wire.
func le<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
