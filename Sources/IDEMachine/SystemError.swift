import Glibc

/// A system call that failed.
struct SystemError: Error, CustomStringConvertible {
    let description: String

    /// `call` failed just now.
    init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}
