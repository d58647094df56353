/// The twelve bytes of a packet command, as the guest wrote them (SFF-8020i 7.1.1). Numbers are
/// big-endian.
package struct CommandPacket {
    /// Bytes in a packet (ATA/ATAPI-6 8.16.9, word 0).
    package static let size = 12

    private var bytes = SIMD16<UInt8>(repeating: 0)

    package init() {}

    /// The packet at the beginning of `buffer`.
    init(_ buffer: DriveBuffer) {
        for index in 0..<Self.size { bytes[index] = buffer[index] }
    }

    package init(_ source: [UInt8]) {
        for index in 0..<min(source.count, Self.size) { bytes[index] = source[index] }
    }

    package subscript(index: Int) -> UInt8 { bytes[index & 15] }

    package func word(_ index: Int) -> UInt16 { UInt16(self[index]) << 8 | UInt16(self[index + 1]) }

    package func triple(_ index: Int) -> UInt32 {
        UInt32(self[index]) << 16 | UInt32(word(index + 1))
    }

    package func long(_ index: Int) -> UInt32 {
        UInt32(word(index)) << 16 | UInt32(word(index + 2))
    }
}
