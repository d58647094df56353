/// Why a saved state is refused.
package enum StateError: Error, Hashable {
    /// A field has a value that it cannot have, or the state does not reach to its end.
    case damaged(field: String, reason: String)
    /// The state has another version than those that can be read.
    case version(found: UInt32, known: ClosedRange<UInt32>)
    /// The state belongs to other hardware than it is loaded into.
    case mismatch(field: String, reason: String)

    /// Runs `body`, and puts `structure` before the field that an error of it names.
    package static func inside<Result>(
        _ structure: @autoclosure () -> String, _ body: () throws(StateError) -> Result
    ) throws(StateError) -> Result {
        do throws(StateError) {
            return try body()
        } catch {
            throw error.inside(structure())
        }
    }

    /// The same error in a field of `structure`.
    func inside(_ structure: String) -> StateError {
        switch self {
        case .damaged(let field, let reason):
            .damaged(field: "\(structure).\(field)", reason: reason)
        case .mismatch(let field, let reason):
            .mismatch(field: "\(structure).\(field)", reason: reason)
        case .version: self
        }
    }
}
