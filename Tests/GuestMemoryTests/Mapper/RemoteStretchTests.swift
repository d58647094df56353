import GuestMemory
import XCTest

/// How far memory that is partly another process's reaches from an address on.
final class RemoteStretchTests: XCTestCase {
    private static let size: UInt64 = 8192
    private static let top: GuestAddress = 0 &- size

    /// The last bytes that there are, in another process, and RAM at address 0.
    private func mapper() throws -> DMAMapper {
        let space = try AddressSpace()
        try space.map(.ram(try GuestRAM(size: 8192)), at: 0)
        try space.map(.remote(SilentPeer(), size: Self.size), at: Self.top)
        return try DMAMapper(space)
    }

    func testItEndsWithTheAddresses() throws {
        let mapper = try mapper()
        for (address, limit, count) in [
            (Self.top, 4096, 4096), (Self.top, 8192, 8192), (Self.top, 8193, 8192),
            (Self.top, .max, 8192), (.max - 7, 4096, 8), (.max - 7, 8, 8), (.max - 7, 7, 7),
            (.max, 1, 1), (.max, 2, 1), (.max, .max, 1),
        ] as [(GuestAddress, Int, Int)] {
            XCTAssertEqual(
                mapper.remoteStretch(at: address, limit: limit), count,
                "\(limit) at \(address)")
        }
    }

    func testThereIsNone() throws {
        let mapper = try mapper()
        for (address, limit) in [
            (0, 4096), (0, .max), (8192, 1), (Self.top - 1, 4096), (Self.top, 0), (Self.top, -1),
            (.max, .min),
        ] as [(GuestAddress, Int)] {
            XCTAssertNil(
                mapper.remoteStretch(at: address, limit: limit),
                "\(limit) at \(address)")
        }
    }
}

/// Memory in another process, which is not asked for any.
private final class SilentPeer: RemoteMemory {
    var maximumTransfer: Int { 4096 }

    func read(
        offset: UInt64, into buffer: UnsafeMutableRawBufferPointer, _ answer: RemoteAnswer
    ) {
        XCTFail("\(buffer.count) bytes at \(offset) are read")
        answer.requestCompleted(isSuccess: false)
    }

    func write(offset: UInt64, from buffer: UnsafeRawBufferPointer, _ answer: RemoteAnswer) {
        XCTFail("\(buffer.count) bytes at \(offset) are written")
        answer.requestCompleted(isSuccess: false)
    }
}
