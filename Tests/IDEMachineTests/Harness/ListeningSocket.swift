import CTestSupport
import Glibc

@testable import TestSupport

/// A Unix socket that a machine is to connect to.
final class ListeningSocket {
    let path: String
    private let listener: Descriptor

    init(_ path: String) throws {
        self.path = path
        listener = Descriptor(
            try SystemCall.check(
                SystemCall.result(socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)), "socket"))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw FixtureError.failed("\(path) is too long for a socket; TMPDIR can be shorter")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener.raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try SystemCall.check(SystemCall.result(bound), "bind \(path)")
        try SystemCall.check(SystemCall.result(listen(listener.raw, 1)), "listen \(path)")
    }

    /// For waiting.
    var descriptor: Int32 { listener.raw }

    /// The connection that this process has made.
    func accept() throws -> Descriptor {
        let peer = Glibc.accept(listener.raw, nil, nil)
        return Descriptor(try SystemCall.check(SystemCall.result(peer), "accept"))
    }

    /// The connection that `machine` makes.
    func accept(from machine: MachineProcess) throws -> LineSocket {
        var patience = LineSocket.patience
        while cts_wait_readable(listener.raw, 20) == 0 {
            guard machine.isRunning else {
                throw FixtureError.failed("ide-machine: \(try machine.end())")
            }
            patience -= 20
            guard patience > 0 else { throw FixtureError.failed("nobody connects to \(path)") }
        }
        return LineSocket(try accept())
    }
}
