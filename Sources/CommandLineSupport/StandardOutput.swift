import Glibc

/// Standard output, which takes all of a text, or it is an error.
package enum StandardOutput {
    /// Prints a line. All output of a program goes this way and none through `print(_:)`, which does not say
    /// that a disk is full or a pipe closed.
    package static func printLine(_ text: String) throws(OutputError) {
        let errno = writeAll(Array((text + "\n").utf8), to: STDOUT_FILENO)
        if errno != 0 { throw OutputError(errno: errno) }
    }
}

/// Standard error, for messages. Where it takes nothing, nobody can be told.
package enum StandardError {
    package static func write(_ text: String) { write(Array(text.utf8)) }

    package static func write(_ bytes: [UInt8]) { _ = writeAll(bytes, to: STDERR_FILENO) }
}

/// Standard output did not take what was to be printed.
package struct OutputError: Error, CustomStringConvertible {
    /// Of write(2).
    package let errno: CInt

    package var description: String {
        "the output could not be written: \(String(cString: strerror(errno)))"
    }
}

/// Writes everything: 0, or the errno of what stopped it.
private func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> CInt {
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes {
            write(descriptor, $0.baseAddress! + written, $0.count - written)
        }
        if count > 0 {
            written += count
        } else if count < 0 && errno == EAGAIN {
            // Whoever shares the file description has made it non-blocking.
            var entry = pollfd(fd: descriptor, events: CShort(POLLOUT), revents: 0)
            poll(&entry, 1, -1)
        } else if count == 0 || errno != EINTR {
            return count == 0 ? EIO : errno
        }
    }
    return 0
}
