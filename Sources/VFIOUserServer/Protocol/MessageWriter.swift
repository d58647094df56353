import CVFIOUser
import Glibc

/// Sends messages to a stream socket without ever waiting: what the kernel does not take is kept, in
/// order, until ``flush()``.
///
/// Each message is a send of its own. The kernel may divide what one send has been given, and QEMU ends
/// the connection when it receives a part of a header; at the front of a send a header stays in one piece.
final class MessageWriter {
    private let socket: CInt
    private var bytes: [UInt8] = []
    /// How much of `bytes` the kernel has.
    private var sent = 0
    /// Where the message ends that the kernel has a part of; not beyond `sent` when there is none.
    private var messageEnd = 0
    /// Where the message that is being written begins.
    private var start = 0

    init(_ socket: CInt) { self.socket = socket }

    /// How many bytes the kernel has not taken yet.
    var backlog: Int { bytes.count - sent }

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
                if sent >= messageEnd { messageEnd = sent + size(of: all, at: sent) }
                return cvfiouser_send(socket, all.baseAddress! + sent, messageEnd - sent)
            }
            if result == -Int(EAGAIN) {
                forgetSent()
                return true
            }
            guard result > 0 else { return false }
            sent += result
        }
        bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 17)
        sent = 0
        messageEnd = 0
        return true
    }

    private func size(of bytes: UnsafeRawBufferPointer, at place: Int) -> Int {
        let size = bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self)
        return Int(UInt32(littleEndian: size))
    }

    /// A peer may be behind all the time. Not after each message: what is left is moved.
    private func forgetSent() {
        guard sent > bytes.count / 2 else { return }
        bytes.removeFirst(sent)
        messageEnd -= sent
        sent = 0
    }
}
