import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// A reset, whatever the host is at work on.
final class HostAbandonTests: HostRequestTestCase {
    func testWhileTheHostHasAPiece() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            for isFailure in [false, true] {
                if isFailure { world.faults.add(.init(.error(EIO), count: 1)) }
                world.begin(0, .toDevice, at: 0, count: 8192)
                world.requests[0].abandon()
                XCTAssertEqual(world.state(), .abandoned)
                XCTAssertTrue(world.requests[0].isBusy, "the reset is not over")
                // Nothing changes that.
                world.requests[0].abandon()
                XCTAssertEqual(world.requests[0].stop(), .pending)
                XCTAssertFalse(world.requests[0].isStopped)
                XCTAssertFalse(world.requests[0].retry())
                XCTAssertEqual(world.state(), .abandoned)
                try world.deliver()
                XCTAssertEqual(world.answers[0].last, .released)
                XCTAssertEqual(world.state(), .idle)
                XCTAssertEqual(world.queue.outstanding, 0, "no piece follows")
            }
            XCTAssertEqual(world.answers[0], [.released, .released])
            // The next command is as any other.
            world.begin(0, .toDevice, at: 0, count: 8192)
            try world.settle()
            XCTAssertEqual(world.answers[0].last, .transferCompleted(.success, 8192))
        }
    }

    /// The memory behind the bounce buffer goes away during the reset.
    func testWhileMemoryGoesAway() throws {
        try GuestRAM.surviveTruncation()
        var peer: PeerFile?
        try forEachEngine(memory: {
            let file = try PeerFile(size: HostWorld.size, fill: 0)
            peer = file
            return try GuestRAM(descriptor: file.descriptor, size: HostWorld.size)
        }) { world in
            try world.setBouncing(true)
            world.begin(0, .fromDevice, at: 0, count: 8192)
            world.requests[0].abandon()
            try XCTUnwrap(peer).shorten(to: 0)
            try world.deliver()
            XCTAssertEqual(world.answers[0], [.released])
        }
    }

    func testWhileTheHostHasARequestOfItsOwn() throws {
        try forEachEngine { world in
            for isFailure in [false, true] {
                if isFailure { world.faults.add(.init(.transientError(EIO), count: 1)) }
                world.queue.flush(userData: world.requests[0].submit())
                world.requests[0].abandon()
                XCTAssertEqual(world.state(), .abandoned)
                try world.deliver()
                XCTAssertEqual(world.state(), .idle)
            }
            XCTAssertEqual(world.answers[0], [.released, .released])
        }
    }

    /// Bytes that the device has not filled do not reach the guest.
    func testWhileAPieceIsHeld() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            world.fillMemory(0..<4096, 0x12)
            let buffer = AlignedBuffer(count: 4096)
            for takesSteps in [false, true] {
                let piece = try assertPiece(
                    world.beginSteps(0, .fromDevice, at: 0, count: 8192), 0..<4096)
                memset(piece.vectors[0].iov_base!, 0xFF, 4096)
                world.queue.read(into: buffer.bytes, at: 0, userData: world.requests[0].submit())
                world.requests[0].abandon()
                XCTAssertEqual(world.state(), .abandoned)
                try world.deliver(takesSteps: takesSteps)
                XCTAssertEqual(world.state(), .idle)
                XCTAssertEqual(world.memory(0..<4096), 0x12)
            }
            XCTAssertEqual(world.answers[0], [.released, .released])
        }
    }

    func testWhileATransferWaitsForBuffers() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            world.begin(0, .fromDevice, at: 0, count: 4096)
            world.begin(1, .fromDevice, at: 65536, count: 4096)
            world.requests[1].abandon()
            XCTAssertEqual(world.state(1), .idle)
            XCTAssertFalse(world.mapper.isWaiting)
            try world.settle()
            XCTAssertEqual(world.answers[1], [])
        }
    }

    func testWhileAnotherProcessGivesItsMemory() throws {
        try forEachEngine { world in
            for takesSteps in [false, true] {
                world.begin(0, .toDevice, at: HostWorld.remote, count: 4096, offset: 0)
                world.requests[0].abandon()
                XCTAssertEqual(world.state(), .abandoned)
                XCTAssertEqual(world.peer.answerAll(), 1)
                XCTAssertEqual(world.resume(takesSteps: takesSteps).count, 0)
                XCTAssertEqual(world.state(), .idle)
            }
            XCTAssertEqual(world.answers[0], [.released])
            XCTAssertEqual(try world.image(0..<4096), 0, "nothing was written")
        }
    }

    /// The bytes have left, and it is not over before they are there.
    func testWhileAnotherProcessStoresTheBytes() throws {
        try forEachEngine { world in
            world.begin(0, .fromDevice, at: HostWorld.remote, count: 4096, offset: 0)
            world.requests[0].abandon()
            try world.deliver()
            XCTAssertEqual(world.state(), .abandoned)
            XCTAssertEqual(world.answers[0], [])
            XCTAssertEqual(world.peer.answerAll(), 1)
            world.resume()
            XCTAssertEqual(world.state(), .idle)
            XCTAssertEqual(world.answers[0], [.released])
            // Abandoned when they had left already.
            world.begin(0, .fromDevice, at: HostWorld.remote, count: 4096, offset: 0)
            try world.deliver()
            XCTAssertEqual(world.state(), .waiting)
            world.requests[0].abandon()
            XCTAssertEqual(world.state(), .abandoned)
            XCTAssertEqual(world.peer.answerAll(), 1)
            world.resume()
            XCTAssertEqual(world.answers[0], [.released, .released])
        }
    }

    func testWhileNothingIsUnderWay() throws {
        try forEachEngine { world in
            world.requests[0].abandon()
            XCTAssertEqual(world.state(), .idle)
            world.requests[0].park()
            world.requests[0].abandon()
            XCTAssertEqual(world.state(), .idle)
            XCTAssertFalse(world.requests[0].retry())
        }
    }
}
