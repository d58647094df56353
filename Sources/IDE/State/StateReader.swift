/// Reads a saved state, which may come from anywhere: whatever is wrong with it is an error.
struct StateReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func take<Value: FixedWidthInteger>(
        _ type: Value.Type = Value.self
    ) throws(IDEError) -> Value {
        let size = MemoryLayout<Value>.size
        guard size <= bytes.count - position else { throw .damagedState("it ends too early") }
        var value: Value = 0
        for index in 0..<size {
            value |= Value(truncatingIfNeeded: bytes[position + index]) << Value(8 * index)
        }
        position += size
        return value
    }

    mutating func take() throws(IDEError) -> Bool {
        switch try take(UInt8.self) {
        case 0: false
        case 1: true
        default: throw .damagedState("a flag is neither 0 nor 1")
        }
    }

    /// A number that must lie in `range`.
    mutating func take<Value: FixedWidthInteger>(
        _ range: ClosedRange<Value>, _ name: String
    ) throws(IDEError) -> Value {
        let value: Value = try take()
        guard range.contains(value) else { throw .damagedState("\(name) is \(value)") }
        return value
    }

    /// What was written with its length before it, at most `limit` bytes.
    mutating func takeData(limit: Int) throws(IDEError) -> ArraySlice<UInt8> {
        let count = Int(try take(UInt32.self))
        guard count <= limit, count <= bytes.count - position else {
            throw .damagedState("data of \(count) bytes")
        }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// What was written with its length before it: exactly `count` bytes.
    mutating func takeData(exactly count: Int) throws(IDEError) -> ArraySlice<UInt8> {
        let data = try takeData(limit: count)
        guard data.count == count else {
            throw .damagedState("\(data.count) bytes of data instead of \(count)")
        }
        return data
    }
}

extension UnsafeMutableRawPointer {
    /// Writes bytes of a saved state here.
    func take(_ data: ArraySlice<UInt8>) {
        data.withUnsafeBytes { bytes in
            UnsafeMutableRawBufferPointer(start: self, count: bytes.count).copyMemory(from: bytes)
        }
    }
}
