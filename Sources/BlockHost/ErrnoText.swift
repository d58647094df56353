import Glibc

/// strerror(3), as in "Input/output error".
package func errnoMessage(_ errno: CInt) -> String {
    // strerror(3) itself may use one buffer for all threads. The Glibc module has the POSIX form of
    // strerror_r(3), which fills the buffer.
    var buffer = [CChar](repeating: 0, count: 128)
    _ = strerror_r(errno, &buffer, buffer.count)
    return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
}

/// The same with the number, as in "Input/output error, errno 5".
package func errnoText(_ errno: CInt) -> String { "\(errnoMessage(errno)), errno \(errno)" }
