/// Writes what a packet command answers with: big-endian numbers into a buffer, and nothing behind
/// its end.
///
/// `@safe`, because it checks every place, and because it exists during a call of the drive only.
@safe struct PacketReply {
    private let buffer: UnsafeMutableRawBufferPointer
    /// Bytes so far.
    private(set) var count = 0

    init(in buffer: DriveBuffer) { unsafe self.buffer = unsafe buffer.bytes(count: buffer.count) }

    mutating func put8(_ value: UInt8) {
        guard unsafe count < buffer.count else { return }
        unsafe buffer[count] = value
        count &+= 1
    }

    mutating func put16(_ value: UInt16) {
        put8(UInt8(truncatingIfNeeded: value >> 8))
        put8(UInt8(truncatingIfNeeded: value))
    }

    mutating func put32(_ value: UInt32) {
        put16(UInt16(truncatingIfNeeded: value >> 16))
        put16(UInt16(truncatingIfNeeded: value))
    }

    mutating func put(_ bytes: [UInt8]) { for byte in bytes { put8(byte) } }

    mutating func putZeroes(_ number: Int) { for _ in 0..<number { put8(0) } }

    /// ASCII, padded with spaces (SPC-3 4.4.1).
    mutating func putText(_ text: String, count: Int) {
        var characters = text.utf8.makeIterator()
        for _ in 0..<count { put8(characters.next() ?? 0x20) }
    }

    /// Writes a length that is known only now: the bytes behind the field at `place`.
    func patch16(at place: Int) {
        let length = count &- place &- 2
        set(place, UInt8(truncatingIfNeeded: length >> 8))
        set(place &+ 1, UInt8(truncatingIfNeeded: length))
    }

    /// ``patch16(at:)`` with four bytes.
    func patch32(at place: Int) {
        let length = count &- place &- 4
        for byte in 0..<4 {
            set(place &+ byte, UInt8(truncatingIfNeeded: length >> (24 - 8 * byte)))
        }
    }

    /// ``patch16(at:)`` with one byte.
    func patch8(at place: Int) { set(place, UInt8(truncatingIfNeeded: count &- place &- 1)) }

    /// Cuts off what is behind byte `length`.
    mutating func truncate(_ length: Int) { count = min(count, length) }

    private func set(_ place: Int, _ value: UInt8) {
        if place >= 0 && place < count { unsafe buffer[place] = value }
    }
}
