/// Reads the fields of a value out of a state, which may come from anywhere: whatever is wrong with it is an
/// error. Allocates no more than a field may have and the state does have.
package struct StateReader: PathCodec {
    private let bytes: [UInt8]
    private var position = 0
    /// Of the section.
    private var end: Int
    private var version: UInt32
    var path = StatePath()

    /// A reader of fields as `version` has them.
    package init(_ bytes: [UInt8], version: UInt32) {
        self.bytes = bytes
        self.version = version
        end = bytes.count
    }

    func has(_ field: StateField) -> Bool { field.isIn(version: version) }

    private func require(_ count: Int, _ field: StateField) throws(StateError) {
        guard count <= end - position else {
            throw path.damaged(field, "the state ends before its end")
        }
    }

    private mutating func take<Value: FixedWidthInteger>(
        _ field: StateField
    ) throws(StateError) -> Value {
        let size = Value.bitWidth / 8
        try require(size, field)
        var value: Value = 0
        for index in 0..<size {
            value |= Value(truncatingIfNeeded: bytes[position + index]) << Value(8 * index)
        }
        position += size
        return value
    }

    private mutating func takeBytes(
        _ count: Int, _ field: StateField
    ) throws(StateError) -> ArraySlice<UInt8> {
        try require(count, field)
        defer { position += count }
        return bytes[position..<position + count]
    }

    package mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Value, _ field: StateField, in range: ClosedRange<Value>
    ) throws(StateError) {
        guard has(field) else { return }
        value = try take(field)
        try path.check(value, field, in: range)
    }

    package mutating func flag(_ value: inout Bool, _ field: StateField) throws(StateError) {
        guard has(field) else { return }
        let byte: UInt8 = try take(field)
        try path.check(byte, field, in: 0...1)
        value = byte == 1
    }

    package mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ value: inout Value, _ field: StateField
    ) throws(StateError) where Value.RawValue == UInt8 {
        guard has(field) else { return }
        let byte: UInt8 = try take(field)
        guard let choice = Value(rawValue: byte) else {
            throw path.damaged(field, "it is \(byte), which means nothing")
        }
        value = choice
    }

    package mutating func bytes(
        _ value: inout [UInt8], _ field: StateField, count: Int
    ) throws(StateError) {
        guard has(field) else { return }
        value = Array(try takeBytes(count, field))
    }

    package mutating func data(
        _ value: inout [UInt8], _ field: StateField, atMost limit: Int
    ) throws(StateError) {
        guard has(field) else { return }
        let count = Int(try take(field) as UInt32)
        try path.check(count, field, atMost: limit)
        value = Array(try takeBytes(count, field))
    }

    package mutating func numbers<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: inout [Value], _ field: StateField, atMost limit: Int
    ) throws(StateError) {
        guard has(field) else { return }
        let count = Int(try take(field) as UInt32)
        try path.check(count, field, atMost: limit)
        try require(count * (Value.bitWidth / 8), field)
        values = []
        values.reserveCapacity(count)
        for _ in 0..<count { values.append(try take(field)) }
    }

    package mutating func structure<Value: StateFields>(
        _ value: inout Value?, _ field: StateField, if isPresent: Bool,
        _ condition: @autoclosure () -> String, blank: @autoclosure () -> Value
    ) throws(StateError) {
        guard has(field) else { return }
        value = nil
        guard isPresent else { return }
        var present = blank()
        try structure(&present, field)
        value = present
    }

    package mutating func section(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError) {
        guard has(field) else { return }
        let name = try takeSectionName(field)
        guard name == field.name else {
            throw path.damaged(field, "in its place is section \"\(name)\"")
        }
        let length = Int(try take(field) as UInt32)
        try require(length, field)
        let outerEnd = end
        end = position + length
        try structure(&value, field)
        guard position == end else {
            throw path.damaged(field, "\(end - position) bytes follow its last field")
        }
        end = outerEnd
    }

    private mutating func takeSectionName(_ field: StateField) throws(StateError) -> String {
        let count = Int(try take(field) as UInt8)
        let name = try takeBytes(count, field)
        // The name appears in messages.
        let isPrintable = name.allSatisfy { (0x20...0x7E).contains($0) }
        guard count > 0, isPrintable else { throw path.damaged(field, "no section begins here") }
        return String(decoding: name, as: UTF8.self)
    }

    // MARK: The state as a whole

    /// The magic number and the version, which the fields are read as from now on.
    mutating func header(_ format: StateFormat) throws(StateError) {
        let magic = try takeBytes(format.magic.utf8.count, "magic")
        guard magic.elementsEqual(format.magic.utf8) else {
            throw path.damaged("magic", "the state does not begin with \"\(format.magic)\"")
        }
        version = try take("version")
        guard format.versions.contains(version) else {
            throw .version(found: version, known: format.versions)
        }
    }

    /// Nothing may follow the last section.
    mutating func expectEnd() throws(StateError) {
        guard position < end else { return }
        let left = end - position
        if let name = try? takeSectionName("section") {
            throw .damaged(field: name, reason: "version \(version) has no such section")
        }
        throw path.damaged("section", "\(left) bytes follow the last section")
    }
}
