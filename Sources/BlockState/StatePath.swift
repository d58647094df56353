/// Where in a state a codec is: the structures around the field.
struct StatePath {
    private var structures: [String] = []

    mutating func enter(_ name: String) { structures.append(name) }

    mutating func leave() { structures.removeLast() }

    /// An error in `field`.
    func damaged(_ field: StateField, _ reason: String) -> StateError {
        .damaged(field: (structures + [field.name]).joined(separator: "."), reason: reason)
    }

    // MARK: What reading and writing both check

    func check<Value: Comparable>(
        _ value: Value, _ field: StateField, in range: ClosedRange<Value>
    ) throws(StateError) {
        guard range.contains(value) else {
            throw damaged(field, "it is \(value), not \(range.lowerBound) to \(range.upperBound)")
        }
    }

    func check(_ count: Int, _ field: StateField, atMost limit: Int) throws(StateError) {
        guard count <= limit else {
            throw damaged(field, "it has \(count) elements, more than \(limit)")
        }
    }

    func check(
        _ field: StateField, _ rule: () -> String, _ holds: Bool
    ) throws(StateError) {
        guard holds else { throw damaged(field, "this does not hold: \(rule())") }
    }
}
