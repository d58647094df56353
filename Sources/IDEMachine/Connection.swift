import BlockHost
import BlockIO
import Glibc

/// A connected stream socket that never blocks its caller: input is kept until it is taken, and
/// output until the peer accepts it.
final class Connection {
    let descriptor: CInt
    /// Behind a pointer, so that no access is checked at run time.
    private let state: UnsafeMutablePointer<State>

    private struct State: ~Copyable {
        /// Whether the peer has closed its side.
        var isAtEnd = false
        /// Whether nothing can be sent to the peer any more.
        var isBroken = false
        var input = ByteQueue(capacity: 2 * inputStep)
        /// How much of `input` has been looked through for the end of a line.
        var scanned = 0
        /// What the kernel has not taken.
        var output = ByteQueue()
    }

    /// Taken in at a time.
    private static let inputStep = 1 << 16
    /// Kept back for the next flush, at most.
    private static let outputStep = 1 << 16
    /// Above this a peer has to take answers before its next commands are looked at.
    private static let outputLimit = 4 << 20

    /// Connects to the socket that listens at `path`.
    init(to path: Pathname) throws {
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.bytes) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0,
            fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0
        else {
            // deinit closes it.
            throw SystemError("connect to \(path)")
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
        state.deinitialize(count: 1)
        state.deallocate()
    }

    /// Whether the peer is far behind with taking answers.
    var isCongested: Bool { state.pointee.output.count > Self.outputLimit }

    /// Whether the connection has ended: nothing can be sent, or the peer has closed its side and
    /// has accepted all answers.
    var hasEnded: Bool {
        state.pointee.isBroken || (state.pointee.isAtEnd && state.pointee.output.isEmpty)
    }

    /// What an event loop is to wait for.
    var interest: EpollSet.Interest {
        EpollSet.Interest(
            readable: !isCongested && !state.pointee.isAtEnd,
            writable: !state.pointee.output.isEmpty)
    }

    // MARK: In

    /// How many bytes have come and have not been taken.
    var unreadCount: Int { state.pointee.input.count }

    /// Takes in some of what has come.
    func receive() {
        guard !isCongested && !state.pointee.isAtEnd else { return }
        let room = state.pointee.input.room(for: Self.inputStep)
        let count = read(descriptor, room, Self.inputStep)
        if count > 0 {
            state.pointee.input.add(count)
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            state.pointee.isAtEnd = true
        }
    }

    /// The next line, without its end; `nil` when none is complete. Good until ``receive()``.
    func takeLine() -> UnsafeRawBufferPointer? {
        let bytes = state.pointee.input.bytes
        let scanned = state.pointee.scanned
        guard let base = bytes.baseAddress, scanned < bytes.count,
            let end = memchr(base + scanned, CInt(UInt8(ascii: "\n")), bytes.count - scanned)
        else {
            state.pointee.scanned = bytes.count
            return nil
        }
        let line = UnsafeRawBufferPointer(rebasing: bytes[..<(UnsafeRawPointer(end) - base)])
        state.pointee.input.removeFirst(line.count + 1)
        state.pointee.scanned = 0
        return line
    }

    /// What has come and has not been taken. Good until ``receive()``.
    var unread: UnsafeRawBufferPointer { state.pointee.input.bytes }

    /// Takes the first `count` bytes.
    func take(_ count: Int) { state.pointee.input.removeFirst(count) }

    // MARK: Out

    /// Sends now what the kernel takes, the rest when ``flush()`` is called.
    func send(_ bytes: [UInt8]) {
        write { output in bytes.withUnsafeBytes { output.append($0) } }
        flush()
    }

    /// Adds what `body` adds to the output, which goes to the peer with the next ``flush()`` or
    /// when there is much of it.
    @inline(__always)
    func write(_ body: (inout ByteQueue) -> Void) {
        body(&state.pointee.output)
        if state.pointee.output.count >= Self.outputStep { flush() }
    }

    /// Sends what the kernel takes.
    func flush() {
        while !state.pointee.output.isEmpty && !state.pointee.isBroken {
            let bytes = state.pointee.output.bytes
            let count = Glibc.write(descriptor, bytes.baseAddress, bytes.count)
            if count > 0 {
                state.pointee.output.removeFirst(count)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                state.pointee.isBroken = true
            }
        }
        // A peer that hears no more is never far behind: what it has said is still carried out.
        state.pointee.output.removeAll()
    }
}
