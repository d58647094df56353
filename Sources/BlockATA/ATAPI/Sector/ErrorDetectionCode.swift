/// The error detection code of a sector (ECMA-130 14.3, clause 15 for Mode 1): a 32-bit cyclic
/// redundancy check, least significant bit first, over everything before it.
enum ErrorDetectionCode {
    /// P(x) = (x^16 + x^15 + x^2 + 1) (x^16 + x^2 + x + 1) (ECMA-130 14.3), without x^32 and with
    /// the bits in the order in which bytes send theirs.
    private static let polynomial: UInt32 = 0xD801_8001

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in
            value & 1 == 0 ? value >> 1 : value >> 1 ^ polynomial
        }
    }

    /// The code of `bytes`; it is stored low byte first.
    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        unsafe table.withUnsafeBufferPointer { table in
            var value: UInt32 = 0
            for place in 0..<bytes.count {
                let index = unsafe UInt8(truncatingIfNeeded: value) ^ bytes[place]
                value = unsafe value >> 8 ^ table[Int(index)]
            }
            return value
        }
    }
}
