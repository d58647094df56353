import Glibc

/// What ends the program, or refuses a contender, with one sentence for people.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// strerror(3).
    static func text(errno: CInt) -> String {
        strerror(errno).map { String(cString: $0) } ?? "errno \(errno)"
    }
}
