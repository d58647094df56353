/// The name of a field of a saved state, and the version of the format that brought it.
package struct StateField: ExpressibleByStringLiteral {
    /// As in the code, and in errors and in the description of the format.
    package let name: String
    /// The first version that has the field; `nil` for a field that every version has.
    package let since: UInt32?

    private init(_ name: String, since: UInt32?) {
        self.name = name
        self.since = since
    }

    /// A field that every version has.
    package init(stringLiteral name: String) { self.init(name, since: nil) }

    /// A field that version `version` has added. Reading an earlier state leaves it as it is in the
    /// value that is read into.
    package static func since(_ version: UInt32, _ name: String) -> StateField {
        StateField(name, since: version)
    }

    /// Whether a state of version `version` has the field.
    func isIn(version: UInt32) -> Bool { since.map { $0 <= version } ?? true }
}
