import GuestMemory

/// The bytes of a message after its header, as they came from the peer. Valid until the next message
/// is received.
///
/// `@safe`, because every access is checked, and because a session answers a message before it
/// receives the next: nothing keeps a body.
@safe struct MessageBody {
    let bytes: UnsafeRawBufferPointer

    var count: Int { unsafe bytes.count }

    /// A little-endian integer; `nil` where the message is too short for it.
    func integer<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type) -> Value? {
        guard offset >= 0, offset <= count, count - offset >= MemoryLayout<Value>.size
        else { return nil }
        return unsafe Value(
            littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    func u16(_ offset: Int) -> UInt16? { integer(at: offset, as: UInt16.self) }

    func u32(_ offset: Int) -> UInt32? { integer(at: offset, as: UInt32.self) }

    func u64(_ offset: Int) -> UInt64? { integer(at: offset, as: UInt64.self) }

    func address(_ offset: Int) -> GuestAddress? { u64(offset).map { GuestAddress($0) } }

    /// What comes from `offset` on; empty when nothing does.
    func rest(_ offset: Int) -> MessageBody { part(min(max(offset, 0), count)..<count) }

    /// The bytes in `range`, which are there.
    func part(_ range: Range<Int>) -> MessageBody {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "outside the message")
        return unsafe MessageBody(bytes: UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
}
