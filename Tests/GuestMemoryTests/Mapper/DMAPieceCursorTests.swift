import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// A device that copies the pieces of a transfer itself, from a buffer and to it.
final class DMAPieceCursorTests: XCTestCase {
    /// Three stretches that are apart, two of them of an odd length: 3000 bytes.
    private static let elements: [(address: GuestAddress, length: UInt64)] = [
        (0x1001, 777), (0x8000, 2000), (0x3003, 223),
    ]
    private static let total = 3000

    private func bytes(of guest: Guest) -> [UInt8] {
        Self.elements.flatMap { element in
            let start = Int(element.address.rawValue)
            return guest.ram.bytes(start..<start + Int(element.length))
        }
    }

    /// In steps that end in the middle of a stretch, at its end, and behind the last.
    func testItMovesWhatIsAskedFor() throws {
        for direction in [DMADirection.fromDevice, .toDevice] {
            for step in [1, 7, 777, 1000, 2999, 3000, 5000] {
                let guest = try Guest()
                let mapper = try DMAMapper(guest.space)
                let medium = pattern(Self.total, seed: step)
                let before = bytes(of: guest)
                var buffer = direction == .fromDevice ? medium : [UInt8](repeating: 0, count: 3000)
                let (transfer, first) = mapper.begin(.init(Self.elements), direction)
                guard case .submit(let piece) = first else { return XCTFail("\(first)") }
                var cursor = DMAPieceCursor(piece)
                XCTAssertEqual(cursor.length, 3000)
                var done = 0
                buffer.withUnsafeMutableBytes { buffer in
                    while !cursor.isAtEnd {
                        let count = min(step, Self.total - done)
                        XCTAssertEqual(
                            cursor.move(buffer.baseAddress! + done, count: step, direction), count)
                        done += count
                        XCTAssertEqual(cursor.done, UInt64(done))
                    }
                    XCTAssertEqual(cursor.move(buffer.baseAddress!, count: step, direction), 0)
                }
                _ = transfer.pieceEnded(transferred: 3000, isSuccess: true)
                let what = "\(step) bytes at a time, \(direction)"
                assertBytes(buffer, direction == .fromDevice ? medium : before, what)
                assertBytes(bytes(of: guest), direction == .fromDevice ? medium : before, what)
            }
        }
        XCTAssertTrue(DMAPieceCursor().isAtEnd)
    }

    /// It ends where the memory does, and tells how far it has come.
    func testMemoryThatHasGone() throws {
        try GuestRAM.surviveTruncation()
        let peer = try PeerFile(size: 4 * 4096, fill: 0x5A)
        let space = try AddressSpace()
        let shared = try GuestRAM(descriptor: peer.descriptor, size: peer.size)
        try space.map(.ram(shared), at: 0)
        let mapper = try DMAMapper(space)
        let list = ScatterGatherList([(0, 4096), (8192, 4096)])
        var buffer = [UInt8](repeating: 0, count: 8192)
        let (transfer, first) = mapper.begin(list, .toDevice)
        guard case .submit(let piece) = first else { return XCTFail("\(first)") }
        try peer.shorten(to: 8192)
        var cursor = DMAPieceCursor(piece)
        buffer.withUnsafeMutableBytes {
            XCTAssertNil(cursor.move($0.baseAddress!, count: 8192, .toDevice))
        }
        XCTAssertEqual(cursor.done, 4096)
        XCTAssertEqual(buffer[4095], 0x5A)
        guard case .done(let result) = transfer.memoryFailed(transferred: cursor.done),
            case .fault(let error) = result.outcome
        else { return XCTFail("no fault") }
        XCTAssertEqual(error.address, 8192)
        XCTAssertEqual(result.transferred, 4096)
    }

    // MARK: The whole of a transfer

    /// Piece by piece through bounce buffers as well as at once.
    func testCopyOfAWholeTransfer() throws {
        for (forceBounce, limit) in [(false, 1 << 20), (true, 1 << 20), (true, 512)] {
            for direction in [DMADirection.fromDevice, .toDevice] {
                let guest = try Guest()
                let mapper = try DMAMapper(
                    guest.space, options: DMAOptions(forceBounce: forceBounce, bounceLimit: limit))
                let medium = pattern(Self.total)
                let before = bytes(of: guest)
                var buffer = medium
                let (transfer, first) = mapper.begin(.init(Self.elements), direction)
                let step = buffer.withUnsafeMutableBytes {
                    transfer.copyPieces(from: first, $0)
                }
                guard case .done(let result) = step else { return XCTFail("\(step)") }
                XCTAssertEqual(result, DMAResult(.success, 3000))
                let what = "limit \(limit), bounce \(forceBounce), \(direction)"
                assertBytes(buffer, direction == .fromDevice ? medium : before, what)
                assertBytes(bytes(of: guest), direction == .fromDevice ? medium : before, what)
                XCTAssertEqual(
                    guest.takeDirty()[0], direction == .fromDevice ? [1, 3, 8] : [], what)
            }
        }
    }

    /// What the buffer has no room for is left out.
    func testABufferThatIsShorter() throws {
        for limit in [1 << 20, 512] {
            let guest = try Guest()
            let mapper = try DMAMapper(
                guest.space, options: DMAOptions(forceBounce: limit == 512, bounceLimit: limit))
            var buffer = [UInt8](repeating: 0xEE, count: 1200)
            let before = bytes(of: guest)
            let (transfer, first) = mapper.begin(.init(Self.elements), .toDevice)
            let step = buffer.withUnsafeMutableBytes {
                transfer.copyPieces(from: first, .init(rebasing: $0[..<1100]))
            }
            guard case .done(let result) = step else { return XCTFail("\(step)") }
            XCTAssertEqual(result, DMAResult(.success, 3000))
            assertBytes(
                buffer, Array(before[..<1100]) + [UInt8](repeating: 0xEE, count: 100), "\(limit)")
        }
    }

    /// It stops where the transfer has to wait, and goes on from there.
    func testATransferThatWaits() throws {
        let guest = try Guest(bounceLimit: 4096)
        let mapper = try DMAMapper(guest.space, options: DMAOptions(forceBounce: true))
        let (other, _) = mapper.begin(.init([(0, 4096)]), .toDevice)
        var buffer = [UInt8](repeating: 0, count: Self.total)
        let (transfer, first) = mapper.begin(.init(Self.elements), .toDevice)
        buffer.withUnsafeMutableBytes { bytes in
            guard case .wait = transfer.copyPieces(from: first, bytes) else {
                return XCTFail("it does not wait")
            }
            _ = other.pieceEnded(transferred: 4096, isSuccess: true)
            mapper.resume { transfer, step in
                guard case .done = transfer.copyPieces(from: step, bytes) else {
                    return XCTFail("it is not over")
                }
            }
        }
        assertBytes(buffer, bytes(of: guest))
    }
}
