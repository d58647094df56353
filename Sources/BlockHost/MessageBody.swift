/// The bytes of a message, or of a part of it, as they came from the peer. Valid until the next message
/// is received.
///
/// `@safe`, because every access is checked, and because a session answers a message before it
/// receives the next: nothing keeps a body.
@safe package struct MessageBody {
    package let bytes: UnsafeRawBufferPointer

    package init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = unsafe bytes }

    package var count: Int { unsafe bytes.count }

    /// A little-endian integer; `nil` where the message is too short for it.
    package func integer<Value: FixedWidthInteger>(at offset: Int, as type: Value.Type) -> Value? {
        guard offset >= 0, offset <= count, count - offset >= MemoryLayout<Value>.size
        else { return nil }
        return unsafe Value(
            littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    package func u16(_ offset: Int) -> UInt16? { integer(at: offset, as: UInt16.self) }

    package func u32(_ offset: Int) -> UInt32? { integer(at: offset, as: UInt32.self) }

    package func u64(_ offset: Int) -> UInt64? { integer(at: offset, as: UInt64.self) }

    /// What comes from `offset` on; empty when nothing does.
    package func rest(_ offset: Int) -> MessageBody { part(min(max(offset, 0), count)..<count) }

    /// The bytes in `range`, which are there.
    package func part(_ range: Range<Int>) -> MessageBody {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "outside the message")
        return unsafe MessageBody(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
}
