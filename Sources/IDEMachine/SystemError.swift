import BlockHost
import Glibc

/// A system call that failed, or that was not made because its effect would be wrong.
struct SystemError: Error, CustomStringConvertible {
    let description: String

    /// `call` failed just now.
    init(_ call: String) { description = "\(call): \(errnoMessage(errno))" }

    init(description: String) { self.description = description }
}
