import BlockHost
import Glibc

/// Sends messages to a stream socket without ever waiting: what the kernel does not take is kept,
/// in order, until ``flush()``.
///
/// Each message is a send of its own. The kernel may divide what one send has been given, and QEMU
/// ends the connection when it receives a part of a header; at the front of a send a header stays
/// in one piece.
final class MessageWriter {
    private let socket: CInt
    /// What the kernel has not taken, behind a pointer so that no access is checked at run time.
    private let queue = StablePointer(allocating: ByteQueue())
    /// Where in it the message ends that the kernel has a part of; 0 when there is none.
    private var begunCount = 0
    /// Where in it the message begins that is being written.
    private var start = 0

    /// Room that is kept when the peer has taken everything.
    private static let keptRoom = 1 << 17

    init(_ socket: CInt) { self.socket = socket }

    deinit { unsafe queue.destroy() }

    /// How many bytes the kernel has not taken yet.
    var backlog: Int { queue.pointee.count }

    // MARK: One message: begin, put, end.

    func begin(_ header: MessageHeader) {
        start = queue.pointee.count
        put(header.id)
        put(header.command)
        put(header.messageSize)
        put(header.flags)
        put(header.error)
    }

    func put<Value: FixedWidthInteger>(_ value: Value) {
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe queue.pointee.append($0) }
    }

    func put(_ data: UnsafeRawBufferPointer) { unsafe queue.pointee.append(data) }

    func put(_ data: MessageBody) { unsafe put(data.bytes) }

    /// Writes the size into the header.
    func end() {
        let size = UInt32(truncatingIfNeeded: queue.pointee.count - start)
        unsafe withUnsafeBytes(of: size.littleEndian) {
            unsafe queue.pointee.replace(at: start + 4, with: $0)
        }
    }

    // MARK: The socket

    /// Sends what the kernel accepts now. Returns false if the connection is broken.
    func flush() -> Bool {
        while !queue.pointee.isEmpty {
            if begunCount == 0 { begunCount = unsafe Self.size(of: queue.pointee.bytes) }
            let result = unsafe StreamSocket.send(
                socket, UnsafeRawBufferPointer(rebasing: queue.pointee.bytes[..<begunCount]))
            if result == -Int(EAGAIN) { return true }
            guard result > 0 else { return false }
            queue.pointee.removeFirst(result)
            begunCount -= result
        }
        queue.pointee.removeAll(keepingAtMost: Self.keptRoom)
        return true
    }

    /// The size in the header of the message that `bytes` begin with.
    private static func size(of bytes: UnsafeRawBufferPointer) -> Int {
        unsafe Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    }
}
