import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// The guest takes a command back.
final class HostStopTests: HostRequestTestCase {
    func testNothingFollowsThePieceUnderWay() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            try world.fillImage(0..<8192, 0x11)
            world.begin(0, .fromDevice, at: 0, count: 8192)
            XCTAssertEqual(world.requests[0].stop(), .pending)
            XCTAssertEqual(world.state(), .submitted)
            XCTAssertTrue(world.requests[0].isStopped)
            try world.deliver()
            XCTAssertEqual(world.answers[0], [.transferCompleted(.cancelled, 4096)])
            XCTAssertEqual(world.state(), .idle)
            XCTAssertEqual(world.memory(0..<4096), 0x11)
            XCTAssertEqual(world.memory(4096..<8192), 0)
        }
    }

    /// What the host has begun it ends, and then it was all there was.
    func testTheLastPieceIsASuccess() throws {
        try forEachEngine { world in
            world.begin(0, .fromDevice, at: 0, count: 8192)
            XCTAssertEqual(world.requests[0].stop(), .pending)
            try world.deliver()
            XCTAssertEqual(world.answers[0], [.transferCompleted(.success, 8192)])
        }
    }

    /// There is no command any more to be run again.
    func testAFailureIsNotAskedForAgain() throws {
        try forEachEngine { world in
            world.faults.add(.init(.error(ENOSPC), count: 1))
            world.begin(0, .toDevice, at: 0, count: 4096)
            XCTAssertEqual(world.requests[0].stop(), .pending)
            try world.deliver()
            XCTAssertEqual(world.answers[0], [.failed])
            XCTAssertEqual(
                ErrorPolicy.stop.action(
                    for: world.failures[0], canRetry: !world.requests[0].isStopped),
                .report)
            XCTAssertEqual(
                world.requests[0].apply(.report, to: world.failures[0], on: world.queue),
                .transferCompleted(.deviceFailed, 0))
            XCTAssertTrue(world.requests[0].isStopped)
            world.requests[0].commandEnded()
            XCTAssertFalse(world.requests[0].isStopped)
        }
    }

    func testARequestOfItsOwn() throws {
        try forEachEngine { world in
            world.queue.flush(userData: world.requests[0].submit())
            XCTAssertEqual(world.requests[0].stop(), .pending)
            XCTAssertEqual(world.state(), .submitted)
            try world.deliver()
            XCTAssertEqual(world.answers[0], [.succeeded])
            XCTAssertTrue(world.requests[0].isStopped, "the device asks for nothing more")
            // Also before the next request of the same command.
            world.queue.flush(userData: world.requests[0].submit())
            XCTAssertTrue(world.requests[0].isStopped)
            try world.deliver()
            world.begin(0, .fromDevice, at: 0, count: 512)
            XCTAssertFalse(world.requests[0].isStopped, "another command has begun")
            try world.settle()
        }
    }

    func testATransferThatWaitsForBuffersEndsAtOnce() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            world.begin(0, .fromDevice, at: 0, count: 4096)
            world.begin(1, .fromDevice, at: 65536, count: 4096)
            XCTAssertEqual(world.state(1), .waiting)
            XCTAssertEqual(world.requests[1].stop(), .transferCompleted(.cancelled, 0))
            XCTAssertEqual(world.state(1), .idle)
            XCTAssertFalse(world.mapper.isWaiting)
            try world.settle()
            XCTAssertEqual(world.answers[0], [.transferCompleted(.success, 4096)])
            XCTAssertEqual(world.answers[1], [])
        }
    }

    func testATransferThatWaitsForAnotherProcess() throws {
        try forEachEngine { world in
            world.begin(0, .toDevice, at: HostWorld.remote, count: 4096, offset: 0)
            XCTAssertEqual(world.requests[0].stop(), .pending)
            XCTAssertEqual(world.state(), .waiting)
            XCTAssertTrue(world.requests[0].isStopped)
            XCTAssertEqual(world.peer.answerAll(), 1)
            world.resume()
            XCTAssertEqual(world.answers[0], [.transferCompleted(.cancelled, 0)])
            XCTAssertEqual(world.state(), .idle)
            XCTAssertEqual(try world.image(0..<4096), 0)
        }
    }

    func testWhatIsParkedIsGivenUp() throws {
        try forEachEngine { world in
            world.requests[0].park()
            XCTAssertEqual(world.requests[0].stop(), .transferCompleted(.cancelled, 0))
            XCTAssertEqual(world.state(), .idle)
            XCTAssertFalse(world.requests[0].retry())
        }
    }

    func testNothingIsUnderWay() throws {
        try forEachEngine { world in
            XCTAssertEqual(world.requests[0].stop(), .pending)
            XCTAssertEqual(world.state(), .idle)
            XCTAssertFalse(world.requests[0].isStopped)
        }
    }
}
