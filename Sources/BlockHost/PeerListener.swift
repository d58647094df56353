import CBlockHost
import Glibc

/// The listening socket of a server that serves one peer at a time, and its place in the server's ``EventLoop``.
///
/// | state | event | next state |
/// |---|---|---|
/// | not watched | `watch(true)` | watched |
/// | watched | `watch(false)`, because a peer is served | not watched |
/// | watched | `accept` finds no descriptor or no memory for the peer | deferred |
/// | deferred | `endDeferral`, after a wait of at most ``patience`` milliseconds | watched |
///
/// A deferred socket is not in the loop: it stays readable, and to look at it again at once would keep a processor
/// busy.
package struct PeerListener {
    /// The socket, until ``close()``; -1 for a server that has no listening socket.
    package let socket: CInt
    /// The path of the socket, with a terminating zero, and what was there at first; `nil` for a socket of the
    /// caller's.
    private let place: (path: [CChar], file: cblockhost_file)?
    private var isWatched = false
    private var isDeferred = false

    /// The longest wait, in milliseconds, before a peer that could not be accepted is tried again.
    package static let patience: CInt = 100

    /// Takes over a socket that is in no loop.
    package init(_ socket: CInt) {
        self.socket = socket
        place = nil
    }

    /// A new socket that listens at `path`, the bytes of a pathname without a terminating zero. A socket
    /// at that path that no process listens at is replaced; anything else there is an error.
    package init(listeningAt path: [UInt8]) throws(SystemCallError) {
        let path = path.map { CChar(bitPattern: $0) } + [0]
        var file = cblockhost_file()
        socket = try SystemCallError.check(unsafe cblockhost_listen(path, &file), "bind(2)")
        place = (path, file)
    }

    /// Removes the path, unless another server has it by now, and then closes the socket: a socket that has a path
    /// and does not listen would be taken for one that is abandoned, and the path of its successor would be removed.
    package func close() {
        if let place { unsafe cblockhost_remove(place.path, place.file) }
        if socket >= 0 { _ = Glibc.close(socket) }
    }

    /// Whether there is a socket.
    package var isListening: Bool { socket >= 0 }

    /// Puts the socket into the loop, or takes it out. Does nothing if it is there already, or if there is none.
    package mutating func watch(
        _ isWatched: Bool, in loop: borrowing EventLoop
    ) throws(SystemCallError) {
        guard isListening, isWatched != self.isWatched else { return }
        if isWatched { try loop.add(socket) } else { loop.remove(socket) }
        self.isWatched = isWatched
    }

    /// Accepts the next peer; `nil` when there is none, or when the process or the host has no free descriptor or no
    /// memory for it. The socket is deferred in the latter case.
    package mutating func accept(in loop: borrowing EventLoop) -> CInt? {
        switch StreamSocket.accept(socket) {
        case .peer(let peer): return peer
        case .none: return nil
        case .noResources:
            loop.remove(socket)
            isWatched = false
            isDeferred = true
            return nil
        }
    }

    /// The time that the server may wait for events, in milliseconds; -1 is no limit.
    package func limited(_ milliseconds: CInt) -> CInt {
        guard isDeferred, !(0...Self.patience).contains(milliseconds) else { return milliseconds }
        return Self.patience
    }

    /// Puts a deferred socket into the loop again. To be called after each wait.
    package mutating func endDeferral(in loop: borrowing EventLoop) throws(SystemCallError) {
        guard isDeferred else { return }
        isDeferred = false
        try watch(true, in: loop)
    }
}
