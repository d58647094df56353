import CTestSupport
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// Peers that come and go.
final class PeerLifetimeTests: XCTestCase {
    private var space: AddressSpace!
    private lazy var function = FakeFunction(space)

    override func setUpWithError() throws { space = try AddressSpace() }

    private func withServer(
        _ body: (VFIOUserServer, AddressSpace, () throws -> VFIOPeer) throws -> Void
    ) throws {
        let directory = try TemporaryDirectory()
        defer { directory.close() }
        let path = directory.path("socket")
        function.mapper = try DMAMapper(space)
        defer { function.mapper = nil }
        let server = try VFIOUserServer(listeningAt: path, function: function.pci)
        try body(server, space) {
            VFIOPeer(try SystemCall.check(cts_connect(path), "connect")) {
                try server.turn(milliseconds: 0)
            }
        }
    }

    func testTheFunctionKeepsItsStateAndLosesThePeersMemory() throws {
        try withServer { server, space, connect in
            let memory = Descriptor(try SystemCall.check(cts_memfd(4096), "memfd_create"))
            for round in 0..<5 {
                let peer = try connect()
                XCTAssertEqual(try peer.request(VFIORequest.version()).failure, 0)
                XCTAssertEqual(
                    try peer.request(VFIORequest.read(VFIORegion.bar0, 0, 1)).body.last,
                    UInt8(round))
                XCTAssertEqual(
                    try peer.request(VFIORequest.write(VFIORegion.bar0, 0, [UInt8(round + 1)]))
                        .failure, 0)
                XCTAssertEqual(
                    try peer.request(VFIORequest.map(0, 4096), [memory.raw]).failure, 0)
                XCTAssertNotNil(try? space.load(at: 0, as: UInt8.self))
                peer.socket.close()
                for _ in 0..<10 { try server.turn(milliseconds: 0) }
                XCTAssertNil(try? space.load(at: 0, as: UInt8.self))
            }
            XCTAssertEqual(function.resets, 0)
        }
    }

    func testASecondPeerWaitsForTheFirstToGo() throws {
        try withServer { _, _, connect in
            let first = try connect()
            XCTAssertEqual(try first.request(VFIORequest.version()).failure, 0)
            let second = try connect()
            let id = try second.send(VFIORequest.version())
            XCTAssertTrue(try second.isQuiet())
            XCTAssertEqual(try first.request(VFIORequest.info).failure, 0)
            first.socket.close()
            XCTAssertEqual(try second.reply(to: id).failure, 0)
        }
    }

    /// A peer that cannot be accepted is tried again after a while, and not all the time.
    func testAPeerThatCannotBeAccepted() throws {
        try withServer { server, _, connect in
            let peer = try connect()
            try assertAcceptIsDeferred { try server.turn(milliseconds: $0) }
            XCTAssertEqual(try peer.request(VFIORequest.version()).failure, 0)
            XCTAssertTrue(server.isConnected)
        }
    }

    /// A conversation is cut after every number of bytes that it has; the next peer has all of it.
    func testAPeerMayVanishAtAnyByte() throws {
        try withServer { server, space, connect in
            let memory = Descriptor(try SystemCall.check(cts_memfd(8192), "memfd_create"))
            let event = Descriptor(try SystemCall.check(cts_eventfd(), "eventfd"))
            let talk: [(VFIOMessage, [CInt])] = [
                (VFIORequest.version("{}"), []), (VFIORequest.map(0, 4096), [memory.raw]),
                (VFIORequest.map(0x8000, 4096), []),
                (VFIORequest.setIRQs(VFIOIRQFlags.triggerByEvent), [event.raw]),
                (VFIORequest.write(VFIORegion.bar4, 0, [1, 2, 3, 4]), []),
                (VFIORequest.unmap(0, 4096), []),
                (VFIORequest.reset, []),
            ]
            function.onDoorbell = { [function] in
                function.start(.toDevice, [(0, 512), (0x8000, 512)])
            }
            let total = talk.reduce(0) { $0 + $1.0.bytes.count }
            for cut in 0...total {
                let peer = try connect()
                var left = cut
                for (message, descriptors) in talk where left > 0 {
                    let bytes = message.bytes.prefix(left)
                    try peer.send(Array(bytes), descriptors)
                    left -= bytes.count
                }
                if cut % 3 != 0 { try server.turn(milliseconds: 0) }
                peer.socket.close()
                for _ in 0..<20 where cut % 3 == 0 || server.isConnected {
                    try server.turn(milliseconds: 0)
                }
                XCTAssertFalse(server.isConnected, "cut at \(cut)")
                XCTAssertEqual(function.mapper?.statistics.active, 0, "cut at \(cut)")
                XCTAssertNil(try? space.load(at: 0, as: UInt8.self))
            }
        }
    }

    func testASocketThatWasLeftBehindIsReplaced() throws {
        let directory = try TemporaryDirectory()
        defer { directory.close() }
        let path = directory.path("socket")
        var former: VFIOUserServer? = try VFIOUserServer(
            listeningAt: path, function: function.pci)
        XCTAssertThrowsError(
            try VFIOUserServer(listeningAt: path, function: function.pci)
        ) { XCTAssertEqual(($0 as? VFIOUserError)?.errno, EADDRINUSE) }
        former = nil
        XCTAssertNil(former)
        XCTAssertNotEqual(access(path, F_OK), 0)
        // One that died could not take its socket away.
        try SystemCall.check(cts_leave_socket(path), "bind")
        former = try VFIOUserServer(listeningAt: path, function: function.pci)
        former = nil
        // Anything but a socket stays.
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_CREAT | O_RDWR), "open"))
        XCTAssertTrue(file.isOpen)
        XCTAssertThrowsError(
            try VFIOUserServer(listeningAt: path, function: function.pci))
        XCTAssertEqual(access(path, F_OK), 0)
    }
}
