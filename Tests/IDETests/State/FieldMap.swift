import BlockState

/// Where each field is in the state of a value, and a value that the field cannot have.
struct FieldMap: StateCodec {
    struct Place {
        /// As in errors.
        let path: String
        let bytes: Range<Int>
        /// What is refused without a look at any other field; `nil` if everything may be right.
        let refused: [UInt8]?
    }

    private(set) var places: [Place] = []
    /// The next byte of the state.
    private(set) var position: Int
    private var structures: [String] = []

    init(from position: Int) { self.position = position }

    /// Names that errors may have: fields, and the structures around them.
    var paths: Set<String> {
        var paths: Set<String> = []
        for place in places {
            var path = place.path[...]
            paths.insert(String(path))
            while let dot = path.lastIndex(of: ".") {
                path = path[..<dot]
                paths.insert(String(path))
            }
        }
        return paths
    }

    private mutating func add(_ field: StateField, _ count: Int, _ refused: [UInt8]? = nil) {
        let path = (structures + [field.name]).joined(separator: ".")
        places.append(Place(path: path, bytes: position..<position + count, refused: refused))
        position += count
    }

    private func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }

    mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Value, _ field: StateField, in range: ClosedRange<Value>
    ) {
        let refused =
            range.upperBound < .max
            ? range.upperBound + 1 : range.lowerBound > 0 ? range.lowerBound - 1 : nil
        add(field, Value.bitWidth / 8, refused.map(bytes))
    }

    mutating func flag(_ value: inout Bool, _ field: StateField) { add(field, 1, [2]) }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ value: inout Value, _ field: StateField
    ) where Value.RawValue == UInt8 {
        add(field, 1, (0...255).first { Value(rawValue: $0) == nil }.map { [$0] })
    }

    mutating func bytes(_ value: inout [UInt8], _ field: StateField, count: Int) {
        add(field, count)
    }

    mutating func data(_ value: inout [UInt8], _ field: StateField, atMost limit: Int) {
        add(field, 4, bytes(UInt32(limit + 1)))
        if !value.isEmpty { add(field, value.count) }
    }

    mutating func numbers<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: inout [Value], _ field: StateField, atMost limit: Int
    ) {
        add(field, 4, bytes(UInt32(limit + 1)))
        for _ in values { add(field, Value.bitWidth / 8) }
    }

    mutating func structure(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError) {
        structures.append(field.name)
        try value.fields(&self)
        structures.removeLast()
    }

    mutating func structures(
        _ values: inout [some StateFields], _ field: StateField
    ) throws(StateError) {
        for index in values.indices {
            structures.append("\(field.name)[\(index)]")
            try values[index].fields(&self)
            structures.removeLast()
        }
    }

    mutating func structure<Value: StateFields>(
        _ value: inout Value?, _ field: StateField, if isPresent: Bool,
        _ condition: @autoclosure () -> String, blank: @autoclosure () -> Value
    ) throws(StateError) {
        if var present = value { try structure(&present, field) }
    }

    mutating func section(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError) {
        add(field, 1, [0])
        // A name is not a value: every other one is refused.
        let name = Array(field.name.utf8)
        add(field, name.count, name.map { $0 ^ 1 })
        add(field, 4, [0, 0, 0, 0x80])
        try structure(&value, field)
    }

    mutating func check(
        _ field: StateField, _ rule: @autoclosure () -> String, _ holds: Bool
    ) {}
}
