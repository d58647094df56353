/// A message as a test makes and sees it.
struct Message: Equatable {
    var id: UInt16 = 0
    var command: UInt16
    var flags: UInt32 = 0
    var error: UInt32 = 0
    var body: [UInt8] = []

    var bytes: [UInt8] {
        le(id) + le(command) + le(UInt32(16 + body.count)) + le(flags) + le(error) + body
    }

    var isReply: Bool { flags & 0xF == 1 }
    /// The errno of an error reply, 0 of another.
    var failure: Int32 { flags & 0x20 == 0 ? 0 : Int32(bitPattern: error) }

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

/// Requests of the protocol, by its names.
enum Request {
    static func version(_ text: String? = nil, major: UInt16 = 0, minor: UInt16 = 0) -> Message {
        Message(command: 1, body: le(major) + le(minor) + (text.map { Array($0.utf8) + [0] } ?? []))
    }

    static func map(
        _ address: UInt64, _ size: UInt64, offset: UInt64 = 0, flags: UInt32 = 3
    ) -> Message {
        Message(command: 2, body: le(UInt32(32)) + le(flags) + le(offset) + le(address) + le(size))
    }

    static func unmap(_ address: UInt64, _ size: UInt64, flags: UInt32 = 0) -> Message {
        Message(command: 3, body: le(UInt32(24)) + le(flags) + le(address) + le(size))
    }

    static let info = Message(command: 4, body: le(UInt32(16)) + [UInt8](repeating: 0, count: 12))

    static func regionInfo(_ index: UInt32) -> Message {
        Message(
            command: 5,
            body: le(UInt32(32)) + le(UInt32(0)) + le(index) + [UInt8](repeating: 0, count: 20))
    }

    static func irqInfo(_ index: UInt32) -> Message {
        Message(command: 7, body: le(UInt32(16)) + le(UInt32(0)) + le(index) + le(UInt32(0)))
    }

    static func setIRQs(
        _ flags: UInt32, index: UInt32 = 0, start: UInt32 = 0, count: UInt32 = 1, data: [UInt8] = []
    ) -> Message {
        Message(
            command: 8,
            body: le(UInt32(20 + data.count)) + le(flags) + le(index) + le(start) + le(count) + data
        )
    }

    static func read(_ region: UInt32, _ offset: UInt64, _ count: UInt32) -> Message {
        Message(command: 9, body: le(offset) + le(region) + le(count))
    }

    static func write(_ region: UInt32, _ offset: UInt64, _ data: [UInt8]) -> Message {
        Message(command: 10, body: le(offset) + le(region) + le(UInt32(data.count)) + data)
    }

    static let reset = Message(command: 13)

    static func feature(_ flags: UInt32, room: UInt32 = 1 << 20, _ data: [UInt8] = []) -> Message {
        Message(command: 16, body: le(room) + le(flags) + data)
    }
}
