import CTestSupport
import Glibc

@testable import TestSupport

/// The front end's side of the socket.
final class FrontEndSocket {
    let socket: Descriptor
    /// Lets the server do what it has to do.
    private let turn: () throws -> Void
    private var input: [UInt8] = []
    /// The descriptors that came with the last receive.
    private(set) var descriptors: [Descriptor] = []

    init(_ socket: CInt, turn: @escaping () throws -> Void) {
        self.socket = Descriptor(socket)
        self.turn = turn
    }

    // MARK: Messages

    func send(_ message: VhostMessage, _ descriptors: [CInt] = []) throws {
        try send(message.bytes, descriptors)
    }

    func send(_ bytes: [UInt8], _ descriptors: [CInt] = []) throws {
        let result = cts_send(socket.raw, bytes, bytes.count, descriptors, descriptors.count)
        guard result == bytes.count else { throw FixtureError.failed("send: \(result)") }
    }

    /// The next message of the server.
    func receive() throws -> VhostMessage {
        var found: VhostMessage?
        try eventually("the server answers") {
            do {
                try turn()
                if try fill() { throw FixtureError.failed("hung up instead of an answer") }
            } catch {
                failure = error
                return true
            }
            if let (message, length) = VhostMessage.first(of: input) {
                input.removeFirst(length)
                found = message
            }
            return found != nil
        }
        if let failure { throw failure }
        guard let found else { throw FixtureError.failed("no answer") }
        return found
    }

    private var failure: (any Error)?

    /// Sends a message, and waits for its reply.
    func ask(
        _ request: UInt32, _ body: [UInt8] = [], _ descriptors: [CInt] = [], flags: UInt32 = 1
    ) throws -> VhostMessage {
        try send(VhostMessage(request: request, flags: flags, body: body), descriptors)
        let reply = try receive()
        guard reply.request == request, reply.flags & 7 == 1 | VhostMessage.reply else {
            throw FixtureError.failed("\(reply) is no reply to \(request)")
        }
        return reply
    }

    /// Sends a message that asks for an acknowledgement: 0 when it has been accepted.
    func acknowledgement(
        _ request: UInt32, _ body: [UInt8] = [], _ descriptors: [CInt] = []
    ) throws -> UInt64 {
        try ask(request, body, descriptors, flags: 1 | VhostMessage.needReply).number(0, 8)
    }

    /// Whether the server sends nothing for a while.
    func isQuiet() throws -> Bool {
        for _ in 0..<20 {
            try turn()
            if try fill() { return false }
        }
        return input.isEmpty
    }

    /// Whether the server hangs up; what it sends before is lost.
    func isHungUp() throws -> Bool {
        for _ in 0..<2000 {
            try turn()
            if try fill() { return true }
            usleep(500)
        }
        return false
    }

    /// Takes in what has come, and drops it.
    func takeAll() throws {
        _ = try fill()
        input.removeAll()
    }

    /// Takes in what has come; true at the end.
    private func fill() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 12)
        while true {
            var numbers = [CInt](repeating: -1, count: 8)
            var count = 0
            let result = cts_receive(
                socket.raw, &buffer, buffer.count, &numbers, numbers.count, &count)
            if count > 0 { descriptors = numbers[..<count].map { Descriptor($0) } }
            if result == -Int(EAGAIN) { return false }
            if result <= 0 { return true }
            input += buffer[..<result]
        }
    }
}
