import Glibc

/// The text of strerror(3) for an errno, such as "Input/output error".
package func errnoMessage(_ errno: CInt) -> String {
    // strerror(3) itself may use one buffer for all threads. The Glibc module has the POSIX form of
    // strerror_r(3), which fills the buffer.
    var buffer = [CChar](repeating: 0, count: 128)
    _ = unsafe strerror_r(errno, &buffer, buffer.count)
    let text = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: text, as: UTF8.self)
}

/// The text of strerror(3) and the number, such as "Input/output error, errno 5".
package func errnoText(_ errno: CInt) -> String { "\(errnoMessage(errno)), errno \(errno)" }
