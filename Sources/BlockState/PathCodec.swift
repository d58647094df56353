/// What writing and reading a state have in common: a codec that walks the values and knows which
/// structures it is in.
protocol PathCodec: StateCodec {
    /// The structures around the field.
    var path: StatePath { get set }

    /// Whether the state has the field, which a later version may have added.
    func has(_ field: StateField) -> Bool
}

extension PathCodec {
    package mutating func structure(
        _ value: inout some StateFields, _ field: StateField
    ) throws(StateError) {
        guard has(field) else { return }
        path.enter(field.name)
        try value.fields(&self)
        path.leave()
    }

    package mutating func structures(
        _ values: inout [some StateFields], _ field: StateField
    ) throws(StateError) {
        guard has(field) else { return }
        for index in values.indices {
            path.enter("\(field.name)[\(index)]")
            try values[index].fields(&self)
            path.leave()
        }
    }

    package mutating func check(
        _ field: StateField, _ rule: @autoclosure () -> String, _ holds: Bool
    ) throws(StateError) {
        try path.check(field, rule, holds)
    }
}
