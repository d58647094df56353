import CVFIOUser
import Glibc

/// Sends messages to a stream socket without ever waiting: what the kernel does not take is kept, in
/// order, until ``flush()``.
final class MessageWriter {
    private let socket: CInt
    private var bytes: [UInt8] = []
    /// How much of `bytes` the kernel has.
    private var sent = 0
    /// Where the message that is being written begins.
    private var start = 0

    init(_ socket: CInt) { self.socket = socket }

    /// Whether the peer has not taken everything yet.
    var isBehind: Bool { sent < bytes.count }

    // MARK: One message: begin, put, end.

    func begin(_ header: MessageHeader) {
        start = bytes.count
        put(header.id)
        put(header.command)
        put(header.messageSize)
        put(header.flags)
        put(header.error)
    }

    func put<Value: FixedWidthInteger>(_ value: Value) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    func put(_ data: UnsafeRawBufferPointer) { bytes.append(contentsOf: data) }

    /// Writes the size into the header.
    func end() {
        let size = UInt32(truncatingIfNeeded: bytes.count - start)
        withUnsafeBytes(of: size.littleEndian) {
            for index in 0..<4 { bytes[start + 4 + index] = $0[index] }
        }
    }

    // MARK: The socket

    /// Sends what the kernel takes; false when the peer hears no more.
    func flush() -> Bool {
        while sent < bytes.count {
            let result = bytes.withUnsafeBytes { all in
                cvfiouser_send(socket, all.baseAddress! + sent, all.count - sent)
            }
            if result == -Int(EAGAIN) { return true }
            guard result > 0 else { return false }
            sent += result
        }
        bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 16)
        sent = 0
        return true
    }
}
