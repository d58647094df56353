import BlockIO

/// The arguments of a QMP command, each to be taken by name; what is left over is an error.
struct QMPArguments {
    private var members: [JSONName: JSONValue]

    /// `nil` when there are none.
    init(_ value: JSONValue?) throws(QMPError) {
        switch value {
        case nil: members = [:]
        case .object(let members): self.members = members
        default: throw .generic("QMP input member 'arguments' must be an object")
        }
    }

    /// A name of something that the machine has: of a drive, an operation or an errno.
    mutating func name(_ name: JSONName, default: String? = nil) throws(QMPError) -> String {
        let value = try string(name, default: `default`)
        guard Self.isName(value) else { throw .generic("Parameter '\(name.text)' is not a name") }
        return value
    }

    /// A path. JSON is UTF-8, so a path that is not cannot be given, as in QEMU.
    mutating func path(_ name: JSONName) throws(QMPError) -> String {
        let path = try string(name)
        guard !path.utf8.contains(0) else {
            throw .generic("Parameter '\(name.text)' contains a null character")
        }
        return path
    }

    /// Whether a text may be compared with names. What is longer is none of them, and comparing a long
    /// text of combining marks takes a time that is not linear, see ``JSONName``.
    static func isName(_ text: String) -> Bool { text.utf8.count <= 80 }

    private mutating func string(
        _ name: JSONName, default: String? = nil
    ) throws(QMPError) -> String {
        switch members.removeValue(forKey: name) {
        case .string(let value): return value
        case nil:
            guard let `default` else { throw .generic("Parameter '\(name.text)' is missing") }
            return `default`
        default: throw wrongType(name, "string")
        }
    }

    /// A number that is not negative.
    mutating func count(_ name: JSONName, default: Int) throws(QMPError) -> Int {
        switch members.removeValue(forKey: name) {
        case .integer(let value) where value >= 0: return Int(value)
        case nil: return `default`
        default: throw wrongType(name, "number that is not negative")
        }
    }

    mutating func bool(_ name: JSONName, default: Bool) throws(QMPError) -> Bool {
        switch members.removeValue(forKey: name) {
        case .bool(let value): return value
        case nil: return `default`
        default: throw wrongType(name, "boolean")
        }
    }

    /// "read", "write", "flush" or "discard".
    mutating func operation(_ name: JSONName) throws(QMPError) -> BlockOperation {
        let known: [BlockOperation] = [.read, .write, .flush, .discard]
        let text = try self.name(name)
        guard let operation = known.first(where: { $0.description == text }) else {
            throw .generic("Parameter '\(name.text)' is none of \(known)")
        }
        return operation
    }

    /// No more arguments are expected.
    func end() throws(QMPError) {
        if let name = members.keys.min() {
            throw .generic("Parameter '\(name.text)' is unexpected")
        }
    }

    private func wrongType(_ name: JSONName, _ type: String) -> QMPError {
        .generic("Invalid parameter type for '\(name.text)', expected: \(type)")
    }
}
