/// Why a command is answered with FAIL.
struct QtestError: Error, CustomStringConvertible {
    let description: String
    init(_ text: String) { description = text }
}
