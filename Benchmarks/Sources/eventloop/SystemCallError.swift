import Glibc

/// A system call that failed.
struct SystemCallError: Error, CustomStringConvertible {
    let description: String

    init(_ call: String, _ error: CInt) {
        description = "\(call): \(strerror(error).map { String(cString: $0) } ?? "errno \(error)")"
    }
}
