import Glibc

/// A connected stream socket that never makes its caller wait: what comes in is kept until asked
/// for, and what goes out until the peer takes it.
final class Connection {
    let descriptor: CInt
    /// Whether the peer says no more.
    private(set) var isAtEnd = false
    /// Whether the peer hears no more.
    private(set) var isBroken = false

    private var input: [UInt8] = []
    /// How much of `input` has been looked through for the end of a line.
    private var scanned = 0
    private var output: [UInt8] = []
    /// How much of `output` the kernel has.
    private var sent = 0
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// Above this a peer has to take answers before its next commands are looked at.
    private static let outputLimit = 4 << 20

    /// Connects to the socket that listens at `path`.
    init(to path: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError("socket") }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0, fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0,
            fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0
        else {
            let error = SystemError("connect to \(path)")
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    /// Whether the peer is far behind with taking answers.
    var isCongested: Bool { output.count - sent > Self.outputLimit }

    /// Whether there is nothing to be done for the peer any more, all it said having been served.
    var hasEnded: Bool { isBroken || (isAtEnd && output.isEmpty) }

    /// What poll(2) is to wait for.
    var events: CShort {
        let input = isCongested || isAtEnd ? 0 : POLLIN
        return CShort(sent < output.count ? input | POLLOUT : input)
    }

    // MARK: In

    /// How many bytes have come and have not been taken.
    var unreadCount: Int { input.count }

    /// Takes in some of what has come.
    func receive() {
        guard !isCongested && !isAtEnd else { return }
        let count = read(descriptor, &buffer, buffer.count)
        if count > 0 {
            input += buffer[..<count]
        } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
            isAtEnd = true
        }
    }

    /// The next line, without its end; `nil` when none is complete.
    func takeLine() -> [UInt8]? {
        let end = input.withUnsafeBytes { bytes -> Int? in
            guard let base = bytes.baseAddress, scanned < bytes.count else { return nil }
            let found = memchr(base + scanned, CInt(UInt8(ascii: "\n")), bytes.count - scanned)
            return found.map { UnsafeRawPointer($0) - base }
        }
        guard let end else {
            scanned = input.count
            return nil
        }
        let line = Array(input[..<end])
        input.removeFirst(end + 1)
        scanned = 0
        return line
    }

    /// All that has come.
    func takeAll() -> [UInt8] {
        defer { input.removeAll(keepingCapacity: true) }
        return input
    }

    // MARK: Out

    /// Sends now what the kernel takes, the rest when ``flush()`` is called.
    func send(_ bytes: some Sequence<UInt8>) {
        output += bytes
        flush()
    }

    /// Sends what the kernel takes.
    func flush() {
        while sent < output.count && !isBroken {
            let count = output.withUnsafeBytes {
                write(descriptor, $0.baseAddress! + sent, $0.count - sent)
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                isBroken = true
            }
        }
        output.removeAll(keepingCapacity: true)
        sent = 0
    }
}
