import BlockPCI
import CTestSupport
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// A server over a socket pair, in this thread: it works when a test lets it.
class ServerTestCase: XCTestCase {
    private(set) lazy var function = FakeFunction(space)
    private(set) var space: AddressSpace!
    private(set) var server: VFIOUserServer!
    private(set) var peer: VFIOPeer!

    /// How many bytes of bounce buffers all transfers share.
    var bounceLimit: Int { 1 << 20 }

    override func setUpWithError() throws {
        space = try AddressSpace(bounceLimit: bounceLimit)
        function.mapper = try DMAMapper(space)
        try connect()
    }

    override func tearDown() {
        peer?.socket.close()
        server = nil
        peer = nil
        function.mapper = nil
    }

    /// Another peer, of another server, whose socket has room for about `sendBuffer` bytes. It serves
    /// ``function`` unless there is another.
    func connect(to other: PCIFunction? = nil, sendBuffer: CInt? = nil) throws {
        var ends: [CInt] = [-1, -1]
        try SystemCall.check(cts_socketpair(&ends), "socketpair")
        if var sendBuffer {
            let size = socklen_t(MemoryLayout<CInt>.size)
            XCTAssertEqual(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &sendBuffer, size), 0)
        }
        let server = try VFIOUserServer(connectedTo: ends[0], function: other ?? function.pci)
        self.server = server
        peer = VFIOPeer(ends[1]) { try server.turn(milliseconds: 0) }
    }

    /// Exchanges versions.
    func negotiate(_ text: String? = nil) throws {
        XCTAssertEqual(try peer.request(VFIORequest.version(text)).failure, 0)
    }

    /// Shared memory that is full of `byte`.
    func memory(_ byte: UInt8 = 0, size: Int = 4096, sealed: Bool = true) throws -> Descriptor {
        let memory = Descriptor(try SystemCall.check(cts_memfd(size), "memfd_create"))
        let bytes = [UInt8](repeating: byte, count: size)
        XCTAssertEqual(pwrite(memory.raw, bytes, size, 0), size)
        if sealed { try SystemCall.check(cts_seal_shrink(memory.raw), "F_ADD_SEALS") }
        return memory
    }

    /// The byte at an address of the space; `nil` when there is none.
    func byte(at address: GuestAddress) -> UInt8? { try? space.load(at: address, as: UInt8.self) }

    func assertFails(
        _ message: VFIOMessage, _ descriptors: [CInt] = [], _ errno: CInt = EINVAL,
        line: UInt = #line
    ) throws {
        XCTAssertEqual(
            try peer.request(message, descriptors).failure, errno, "\(message)", line: line)
    }

    func assertWorks(
        _ message: VFIOMessage, _ descriptors: [CInt] = [], line: UInt = #line
    ) throws {
        XCTAssertEqual(try peer.request(message, descriptors).failure, 0, "\(message)", line: line)
    }
}
