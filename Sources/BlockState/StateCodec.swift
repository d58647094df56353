/// Does something with each field of a value that ``StateFields`` lists: writes it, reads it, or describes
/// it.
///
/// Numbers are little-endian. Errors are ``StateError/damaged(field:reason:)`` and name the field with the
/// structures that it is in. Writing checks as reading does, so that a state which cannot be loaded is not
/// saved.
package protocol StateCodec {
    /// A number in `range`, with as many bytes as its type has.
    mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Value, _ field: StateField, in range: ClosedRange<Value>
    ) throws(StateError)

    /// One byte, 0 or 1.
    mutating func flag(_ value: inout Bool, _ field: StateField) throws(StateError)

    /// One byte, the raw value of a case.
    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ value: inout Value, _ field: StateField
    ) throws(StateError) where Value.RawValue == UInt8

    /// Exactly `count` bytes.
    mutating func bytes(
        _ value: inout [UInt8], _ field: StateField, count: Int
    ) throws(StateError)

    /// A count in four bytes, at most `limit`, then as many bytes.
    mutating func data(
        _ value: inout [UInt8], _ field: StateField, atMost limit: Int
    ) throws(StateError)

    /// A count in four bytes, at most `limit`, then as many numbers.
    mutating func numbers<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: inout [Value], _ field: StateField, atMost limit: Int
    ) throws(StateError)

    /// The fields of a value.
    mutating func structure(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError)

    /// The fields of each value. Their number is fixed.
    mutating func structures(
        _ values: inout [some StateFields], _ field: StateField
    ) throws(StateError)

    /// The fields of a value that is present only if earlier fields say so; `condition` describes
    /// when. Reading begins with `blank`.
    mutating func structure<Value: StateFields>(
        _ value: inout Value?, _ field: StateField, if isPresent: Bool,
        _ condition: @autoclosure () -> String, blank: @autoclosure () -> Value
    ) throws(StateError)

    /// The fields of a value with their name and length before them. Sections are the outermost
    /// structures of a state.
    mutating func section(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError)

    /// A rule between earlier fields, or for `field` beyond its range; `rule` describes it.
    mutating func check(
        _ field: StateField, _ rule: @autoclosure () -> String, _ holds: Bool
    ) throws(StateError)
}

extension StateCodec {
    /// A number that may have any value of its type.
    package mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Value, _ field: StateField
    ) throws(StateError) {
        try number(&value, field, in: Value.min...Value.max)
    }

    /// An `Int` that has the bytes of `Saved` in a state.
    package mutating func number<Saved: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Int, _ field: StateField, as saved: Saved.Type,
        in range: ClosedRange<Saved> = Saved.min...Saved.max
    ) throws(StateError) {
        var number = Saved(clamping: value)
        if Int(clamping: number) != value {
            try check(field, "\(value) fits into \(Saved.bitWidth / 8) bytes", false)
        }
        try self.number(&number, field, in: range)
        value = Int(clamping: number)
    }
}
