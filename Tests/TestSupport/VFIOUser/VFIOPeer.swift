import CTestSupport
import Glibc

/// The other end of a server's socket: what QEMU is in earnest.
final class VFIOPeer {
    let socket: Descriptor
    /// Lets the server do what it has to do.
    private let turn: () throws -> Void
    private var input: [UInt8] = []
    private var nextID: UInt16 = 100
    /// Messages that came while another was waited for.
    private var others: [VFIOMessage] = []

    init(_ socket: CInt, turn: @escaping () throws -> Void) {
        self.socket = Descriptor(socket)
        self.turn = turn
    }

    /// Sends a message under an identifier of its own.
    @discardableResult
    func send(_ message: VFIOMessage, _ descriptors: [CInt] = []) throws -> UInt16 {
        var message = message
        if !message.isReply {
            message.id = nextID
            nextID &+= 1
        }
        try send(message.bytes, descriptors)
        return message.id
    }

    func send(_ bytes: [UInt8], _ descriptors: [CInt] = []) throws {
        let result = cts_send(socket.raw, bytes, bytes.count, descriptors, descriptors.count)
        guard result == bytes.count else { throw FixtureError.failed("send: \(result)") }
    }

    /// Sends a command and waits for its reply; what else comes is kept for ``command(_:)``.
    func request(_ message: VFIOMessage, _ descriptors: [CInt] = []) throws -> VFIOMessage {
        try reply(to: try send(message, descriptors))
    }

    func reply(to id: UInt16) throws -> VFIOMessage {
        try next("reply \(id)") { $0.isReply && $0.id == id }
    }

    /// The next command that the server sends.
    func command(_ number: UInt16) throws -> VFIOMessage {
        try next("command \(number)") { !$0.isReply && $0.command == number }
    }

    /// The next command that the server sends, whichever.
    func anyCommand() throws -> VFIOMessage { try next("command") { !$0.isReply } }

    /// All commands that the server sends before it waits for something, in order.
    func commands() throws -> [VFIOMessage] {
        for _ in 0..<20 {
            try turn()
            try receive()
        }
        defer { others.removeAll { !$0.isReply } }
        return others.filter { !$0.isReply }
    }

    /// Whether the server has sent anything that was not waited for.
    func isQuiet() throws -> Bool {
        for _ in 0..<20 {
            try turn()
            try receive()
        }
        return others.isEmpty
    }

    /// Whether the server hangs up, all its messages having been read.
    func isHungUp() throws -> Bool {
        for _ in 0..<1000 {
            try turn()
            if try receive() { return true }
        }
        return false
    }

    private func next(_ what: String, _ isMeant: (VFIOMessage) -> Bool) throws -> VFIOMessage {
        for _ in 0..<20000 {
            if let index = others.firstIndex(where: isMeant) { return others.remove(at: index) }
            try turn()
            if try receive() { throw FixtureError.failed("hung up instead of \(what)") }
        }
        throw FixtureError.failed("no \(what)")
    }

    /// Takes in what has come; true at the end.
    @discardableResult
    private func receive() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var isAtEnd = false
        while true {
            let count = recv(socket.raw, &buffer, buffer.count, CInt(MSG_DONTWAIT))
            if count > 0 {
                input += buffer[..<count]
            } else {
                isAtEnd = count == 0 || errno != EAGAIN
                break
            }
        }
        while let (message, length) = VFIOMessage.first(of: input) {
            others.append(message)
            input.removeFirst(length)
        }
        return isAtEnd && others.isEmpty
    }
}
