import CBlockHost
import Glibc

/// UNIX stream sockets that carry descriptors (unix(7), SCM_RIGHTS). A socket is a descriptor, which
/// the caller closes.
package enum StreamSocket {
    /// The answer of a listening socket to ``accept(_:)``.
    package enum Accepted: Equatable {
        /// The next peer.
        case peer(CInt)
        /// The peer has disconnected again.
        case none
        /// The peer waits, because the process or the host has no free descriptor or no memory.
        case noResources
    }

    /// Accepts the next peer of a listening socket.
    package static func accept(_ listener: CInt) -> Accepted {
        let socket = cblockhost_accept(listener)
        if socket >= 0 { return .peer(socket) }
        return [EAGAIN, EINTR, ECONNABORTED].contains(-socket) ? .none : .noResources
    }

    /// Makes a socket one that does not wait, for all processes that have it.
    package static func setNonblocking(_ socket: CInt) throws(SystemCallError) {
        try SystemCallError.check(cblockhost_set_nonblocking(socket), "fcntl(2)")
    }

    /// Whether a socket listens, so that peers have to be accepted; otherwise it is connected.
    package static func isListening(_ socket: CInt) throws(SystemCallError) -> Bool {
        try SystemCallError.check(cblockhost_is_listening(socket), "getsockopt(2)") != 0
    }

    /// Sends what the kernel takes without waiting: the number of bytes, or -errno. A peer that has
    /// disconnected is EPIPE, without a signal.
    package static func send(_ socket: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let first = bytes.baseAddress else { return 0 }
        return unsafe cblockhost_send(socket, first, bytes.count)
    }

    /// Sends what the kernel takes without waiting, and at most 8 descriptors with it: the number of
    /// bytes, or -errno.
    package static func send(
        _ socket: CInt, _ bytes: UnsafeRawBufferPointer, descriptors: [CInt]
    ) -> Int {
        guard let first = bytes.baseAddress else { return 0 }
        return unsafe cblockhost_send_descriptors(
            socket, first, bytes.count, descriptors, descriptors.count)
    }
}
