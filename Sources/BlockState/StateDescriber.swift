/// Describes the format of a value: a table in Markdown for each type, with its fields in their order. It
/// walks the list that writing and reading walk, so the description cannot differ from the format.
struct StateDescriber: StateCodec {
    private struct Row {
        let name: String
        let form: String
        var allowed: [String]
        let since: UInt32?
    }

    private struct Table {
        let type: String
        var rows: [Row] = []
        /// What must hold between fields.
        var rules: [String] = []
    }

    private var tables: [Table] = []
    /// The index of the table that fields are added to.
    private var current = 0
    /// The version that is shown for a field that every version has.
    private let oldest: UInt32

    init(oldest: UInt32) { self.oldest = oldest }

    mutating func describe<Value: StateFields>(_ value: Value) {
        let type = name(Value.self)
        guard !tables.contains(where: { $0.type == type }) else { return }
        let outer = current
        current = tables.count
        tables.append(Table(type: type))
        var value = value
        // Only checks throw, and there are none here.
        try? value.fields(&self)
        current = outer
    }

    /// All tables.
    var text: String {
        tables.map { table in
            var lines = [
                "### \(table.type)", "", "| field | form | values | since |", "|---|---|---|---|",
            ]
            lines += table.rows.map { row in
                "| \(row.name) | \(row.form) | \(row.allowed.joined(separator: "; ")) | "
                    + "\(row.since ?? oldest) |"
            }
            if !table.rules.isEmpty { lines += [""] + table.rules.map { "- \($0)" } }
            return lines.joined(separator: "\n")
        }.joined(separator: "\n\n")
    }

    private mutating func add(_ field: StateField, _ form: String, _ allowed: String? = nil) {
        tables[current].rows.append(
            Row(
                name: "`\(field.name)`", form: form, allowed: allowed.map { [$0] } ?? [],
                since: field.since))
    }

    private func size<Value: FixedWidthInteger>(_ type: Value.Type) -> String {
        Value.bitWidth == 8 ? "1 byte" : "\(Value.bitWidth / 8) bytes"
    }

    /// With the type that it is in, without the module.
    private func name<Value>(_ type: Value.Type) -> String {
        String(reflecting: type).split(separator: ".").dropFirst().joined(separator: ".")
    }

    private func link<Value>(_ type: Value.Type) -> String {
        let name = name(type)
        let anchor = name.lowercased().filter { $0.isLetter || $0.isNumber || $0 == "-" }
        return "[\(name)](#\(anchor))"
    }

    // MARK: Fields

    mutating func number<Value: FixedWidthInteger & UnsignedInteger>(
        _ value: inout Value, _ field: StateField, in range: ClosedRange<Value>
    ) {
        let isWhole = range == Value.min...Value.max
        add(
            field, size(Value.self),
            isWhole ? nil : "\(range.lowerBound) to \(range.upperBound)")
    }

    mutating func flag(_ value: inout Bool, _ field: StateField) {
        add(field, "1 byte", "0 or 1")
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(
        _ value: inout Value, _ field: StateField
    ) where Value.RawValue == UInt8 {
        let cases = Value.allCases.map { "\($0.rawValue) \($0)" }
        add(field, "1 byte", cases.joined(separator: ", "))
    }

    mutating func bytes(_ value: inout [UInt8], _ field: StateField, count: Int) {
        add(field, "\(count) bytes")
    }

    mutating func data(_ value: inout [UInt8], _ field: StateField, atMost limit: Int) {
        add(field, "count in 4 bytes, then bytes", "up to \(limit) bytes")
    }

    mutating func numbers<Value: FixedWidthInteger & UnsignedInteger>(
        _ values: inout [Value], _ field: StateField, atMost limit: Int
    ) {
        add(
            field, "count in 4 bytes, then elements of \(size(Value.self))",
            "up to \(limit) elements")
    }

    mutating func structure<Value: StateFields>(_ value: inout Value, _ field: StateField) {
        add(field, link(Value.self))
        describe(value)
    }

    mutating func structures<Value: StateFields>(_ values: inout [Value], _ field: StateField) {
        add(field, "\(values.count) times \(link(Value.self))")
        if let first = values.first { describe(first) }
    }

    mutating func structure<Value: StateFields>(
        _ value: inout Value?, _ field: StateField, if isPresent: Bool,
        _ condition: @autoclosure () -> String, blank: @autoclosure () -> Value
    ) {
        add(field, link(Value.self), "only if \(condition())")
        describe(blank())
    }

    mutating func section<Value: StateFields>(_ value: inout Value, _ field: StateField) {
        add(field, "section, \(link(Value.self))")
        describe(value)
    }

    mutating func check(
        _ field: StateField, _ rule: @autoclosure () -> String, _ holds: Bool
    ) {
        let name = "`\(field.name)`"
        guard let row = tables[current].rows.firstIndex(where: { $0.name == name }) else {
            tables[current].rules.append("\(name): \(rule())")
            return
        }
        tables[current].rows[row].allowed.append(rule())
    }
}
