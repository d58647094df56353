import CTestSupport
import Glibc

@testable import TestSupport

/// A connected socket that is read line by line.
final class LineSocket {
    private let descriptor: Descriptor
    private var input: [UInt8] = []

    /// Milliseconds after which an answer will not come any more.
    static let patience: Int32 = 60_000

    init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    /// Sends all of it.
    func send(_ bytes: some Collection<UInt8>) throws {
        var rest = Array(bytes)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno == EINTR { continue }
            try SystemCall.check(count < 0 ? -errno : 0, "send")
            rest.removeFirst(count)
        }
    }

    /// The next line without its end; `nil` when the peer has closed.
    func line() throws -> String? {
        var scanned = 0
        while true {
            if let end = input[scanned...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: input[..<end], as: UTF8.self)
                input.removeFirst(end + 1)
                return line
            }
            scanned = input.count
            guard try receive(LineSocket.patience) else { return nil }
        }
    }

    /// Whether the peer has closed, or does so; what it still says is thrown away.
    func isClosedByPeer() throws -> Bool {
        while try receive(LineSocket.patience) {}
        return true
    }

    /// Whether there is something to read, or comes within `milliseconds`.
    func isReadable(within milliseconds: Int32) -> Bool {
        !input.isEmpty || cts_wait_readable(descriptor.raw, milliseconds) > 0
    }

    /// Says no more, but goes on listening.
    func shutDownOutput() { shutdown(descriptor.raw, Int32(SHUT_WR)) }

    func close() { descriptor.close() }

    /// False at the end.
    private func receive(_ milliseconds: Int32) throws -> Bool {
        guard cts_wait_readable(descriptor.raw, milliseconds) > 0 else {
            throw FixtureError.failed("no answer")
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor.raw, &buffer, buffer.count)
        // A peer that was killed with unread data in its socket resets the connection.
        if count < 0 && errno == ECONNRESET { return false }
        try SystemCall.check(count < 0 ? -errno : 0, "read")
        input += buffer[..<count]
        return count > 0
    }
}
