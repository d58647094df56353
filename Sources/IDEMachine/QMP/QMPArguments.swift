import BlockIO

/// The arguments of a QMP command, each to be taken by name; what is left over is an error.
struct QMPArguments {
    private var members: [String: JSONValue]

    /// `nil` when there are none.
    init(_ value: JSONValue?) throws(QMPError) {
        switch value {
        case nil: members = [:]
        case .object(let members): self.members = members
        default: throw .generic("QMP input member 'arguments' must be an object")
        }
    }

    mutating func string(_ name: String, default: String? = nil) throws(QMPError) -> String {
        switch members.removeValue(forKey: name) {
        case .string(let value): return value
        case nil:
            guard let `default` else { throw .generic("Parameter '\(name)' is missing") }
            return `default`
        default: throw wrongType(name, "string")
        }
    }

    /// A number that is not negative.
    mutating func count(_ name: String, default: Int) throws(QMPError) -> Int {
        switch members.removeValue(forKey: name) {
        case .integer(let value) where value >= 0: return Int(value)
        case nil: return `default`
        default: throw wrongType(name, "number that is not negative")
        }
    }

    mutating func bool(_ name: String, default: Bool) throws(QMPError) -> Bool {
        switch members.removeValue(forKey: name) {
        case .bool(let value): return value
        case nil: return `default`
        default: throw wrongType(name, "boolean")
        }
    }

    /// "read", "write", "flush" or "discard".
    mutating func operation(_ name: String) throws(QMPError) -> BlockOperation {
        let known: [BlockOperation] = [.read, .write, .flush, .discard]
        let text = try string(name)
        guard let operation = known.first(where: { $0.description == text }) else {
            throw .generic("Parameter '\(name)' is none of \(known)")
        }
        return operation
    }

    /// No more arguments are expected.
    func end() throws(QMPError) {
        if let name = members.keys.min() { throw .generic("Parameter '\(name)' is unexpected") }
    }

    private func wrongType(_ name: String, _ type: String) -> QMPError {
        .generic("Invalid parameter type for '\(name)', expected: \(type)")
    }
}
