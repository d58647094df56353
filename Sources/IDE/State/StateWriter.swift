/// Writes a saved state: little-endian integers, one after the other.
struct StateWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ value: Bool) { put(UInt8(value ? 1 : 0)) }

    /// With its length before it.
    mutating func put(_ data: UnsafeRawBufferPointer) {
        put(UInt32(data.count))
        bytes.append(contentsOf: data)
    }
}
