import Glibc

/// A system call that failed.
package struct SystemCallError: Error, Hashable, CustomStringConvertible {
    /// The name of the call, such as "eventfd(2)".
    package let call: String
    /// The reason: errno(3).
    package let errno: CInt

    package init(_ call: String, _ errno: CInt) {
        self.call = call
        self.errno = errno
    }

    package var description: String { "\(call) failed: \(errnoText(errno))" }

    /// Returns the result of a C function of this package, and throws if it is -errno.
    @discardableResult
    static func check(_ answer: CInt, _ call: String) throws(SystemCallError) -> CInt {
        guard answer >= 0 else { throw SystemCallError(call, -answer) }
        return answer
    }
}
