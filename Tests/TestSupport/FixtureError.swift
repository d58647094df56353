/// Why a fixture could not be made.
enum FixtureError: Error, CustomStringConvertible {
    /// The machine lacks something the fixture needs (a driver, a program, a permission). The only
    /// case a test may answer by skipping, see ``orSkip(_:file:line:)``.
    case missing(String)
    /// Something that should have worked did not.
    case failed(String)

    var description: String {
        switch self {
        case .missing(let what): "missing: \(what)"
        case .failed(let what): "failed: \(what)"
        }
    }
}
