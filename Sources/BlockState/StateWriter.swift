/// Writes the fields of a value. What a reader would refuse is an error here too.
package struct StateWriter: PathCodec {
    /// What has been written.
    package private(set) var bytes: [UInt8] = []
    var path = StatePath()

    package init() {}

    func has(_ field: StateField) -> Bool { true }

    private mutating func put(_ value: some FixedWidthInteger) {
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    package mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Value, _ field: StateField, in range: ClosedRange<Value>
    ) throws(StateError) {
        try path.check(value, field, in: range)
        put(value)
    }

    package mutating func flag(_ value: inout Bool, _ field: StateField) throws(StateError) {
        put(value ? 1 : 0 as UInt8)
    }

    package mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ value: inout Value, _ field: StateField
    ) throws(StateError) where Value.RawValue == UInt8 {
        put(value.rawValue)
    }

    package mutating func bytes(
        _ value: inout [UInt8], _ field: StateField, count: Int
    ) throws(StateError) {
        try path.check(value.count, field, in: count...count)
        bytes += value
    }

    package mutating func data(
        _ value: inout [UInt8], _ field: StateField, atMost limit: Int
    ) throws(StateError) {
        try path.check(value.count, field, atMost: limit)
        put(UInt32(value.count))
        bytes += value
    }

    package mutating func numbers<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: inout [Value], _ field: StateField, atMost limit: Int
    ) throws(StateError) {
        try path.check(values.count, field, atMost: limit)
        put(UInt32(values.count))
        for value in values { put(value) }
    }

    package mutating func structure<Value: StateFields>(
        _ value: inout Value?, _ field: StateField, if isPresent: Bool,
        _ condition: @autoclosure () -> String, blank: @autoclosure () -> Value
    ) throws(StateError) {
        guard isPresent, var present = value else {
            return try path.check(field, condition, isPresent == (value != nil))
        }
        try structure(&present, field)
    }

    package mutating func section(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError) {
        put(UInt8(field.name.utf8.count))
        bytes += field.name.utf8
        let place = bytes.count
        put(0 as UInt32)
        try structure(&value, field)
        let length = UInt32(bytes.count - place - 4)
        for byte in 0..<4 { bytes[place + byte] = UInt8(truncatingIfNeeded: length >> (8 * byte)) }
    }

    /// The beginning of every state.
    mutating func header(_ format: StateFormat) {
        bytes += format.magic.utf8
        put(format.version)
    }
}
