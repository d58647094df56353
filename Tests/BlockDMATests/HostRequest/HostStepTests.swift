import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Requests of the device's own, and pieces that it fills or empties itself.
final class HostStepTests: HostRequestTestCase {
    func testARequestOfItsOwn() throws {
        try forEachEngine { world in
            for takesSteps in [false, true] {
                XCTAssertEqual(world.requests[3].submit(), 3)
                world.queue.flush(userData: 3)
                XCTAssertEqual(world.state(3), .submitted)
                try world.deliver(takesSteps: takesSteps)
                XCTAssertEqual(world.state(3), .idle)
            }
            XCTAssertEqual(world.answers[3], [.succeeded, .succeeded])
        }
    }

    /// It is asked for as often as the policy says, and once more.
    func testARequestOfItsOwnThatIsParked() throws {
        try forEachEngine { world in
            let buffer = AlignedBuffer(count: 4096)
            world.faults.add(.init(.error(EIO), count: 2))
            for round in 1...3 {
                world.queue.read(into: buffer.bytes, at: 0, userData: world.requests[0].submit())
                try world.deliver()
                XCTAssertEqual(world.state(), .idle)
                if round == 3 { break }
                XCTAssertEqual(world.failures.count, round)
                world.requests[0].park()
                XCTAssertEqual(world.state(), .parked)
                XCTAssertTrue(world.requests[0].retry())
                XCTAssertEqual(world.state(), .idle)
            }
            XCTAssertEqual(world.answers[0], [.failed, .failed, .succeeded])
        }
    }

    func testEveryPolicyForARequestOfItsOwn() throws {
        try forEachEngine { world in
            let buffer = AlignedBuffer(count: 4096)
            for (action, answer, state) in [
                (.report, .failed, .idle), (.ignore, .succeeded, .idle), (.stop, .pending, .parked),
            ] as [(ErrorAction, HostAnswer, HostRequest.State)] {
                for holdsPiece in [false, true] {
                    if holdsPiece {
                        let step = world.beginSteps(0, .fromDevice, at: 0, count: 4096)
                        try assertPiece(step, 0..<4096)
                    }
                    world.faults.add(.init(.error(EIO), count: 1))
                    world.queue.read(
                        into: buffer.bytes, at: 0, userData: world.requests[0].submit())
                    try world.deliver()
                    let failure = try XCTUnwrap(world.failures.last)
                    XCTAssertEqual(
                        world.requests[0].apply(action, to: failure, on: world.queue), answer)
                    let isHeld = holdsPiece && action != .stop
                    XCTAssertEqual(world.state(), isHeld ? .held : state, "\(action)")
                    XCTAssertEqual(world.requests[0].retry(), action == .stop)
                    world.requests[0].release()
                }
            }
        }
    }

    /// As a drive reads sectors that need more than their user data: into a buffer while a piece is held.
    func testPiecesThatTheDeviceFills() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            let buffer = AlignedBuffer(count: 4096)
            var step = world.beginSteps(0, .fromDevice, at: 0, count: 8192)
            for number in 0..<2 {
                try world.fillImage(0..<4096, UInt8(0x30 + number))
                let start = UInt64(number * 4096)
                let piece = try assertPiece(step, start..<start + 4096)
                XCTAssertEqual(world.state(), .held)
                world.queue.read(into: buffer.bytes, at: 0, userData: world.requests[0].submit())
                XCTAssertEqual(world.state(), .submitted)
                try world.deliver(takesSteps: number == 1)
                XCTAssertEqual(world.state(), .held)
                memcpy(piece.vectors[0].iov_base!, buffer.bytes.baseAddress!, 4096)
                step = world.requests[0].pieceEnded(transferred: 4096, isSuccess: true)
            }
            assertDone(step, .success, 8192)
            XCTAssertEqual(world.state(), .idle)
            XCTAssertEqual(world.answers[0], [.succeeded, .succeeded])
            XCTAssertEqual(world.memory(0..<4096), 0x30)
            XCTAssertEqual(world.memory(4096..<8192), 0x31)
            XCTAssertEqual(world.takeDirty(), [0, 1])
        }
    }

    func testAListThatIsWrongEndsAtOnce() throws {
        try forEachEngine { world in
            let step = world.beginSteps(0, .toDevice, at: HostWorld.hole, count: 512)
            guard case .done = step else { return XCTFail("\(step)") }
            XCTAssertEqual(world.state(), .idle)
        }
    }

    func testAFailureWhileAPieceIsHeld() throws {
        try forEachEngine { world in
            let buffer = AlignedBuffer(count: 4096)
            for end in ["released", "parked", "failed"] {
                let step = world.beginSteps(0, .fromDevice, at: 0, count: 4096)
                try assertPiece(step, 0..<4096)
                world.faults.add(.init(.error(EIO), count: 1))
                world.queue.read(into: buffer.bytes, at: 0, userData: world.requests[0].submit())
                try world.deliver(takesSteps: end == "failed")
                XCTAssertEqual(world.answers[0].last, .failed)
                XCTAssertEqual(world.state(), .held)
                switch end {
                case "released":
                    world.requests[0].release()
                    XCTAssertEqual(world.state(), .idle)
                case "parked":
                    world.requests[0].park()
                    XCTAssertEqual(world.state(), .parked)
                    XCTAssertTrue(world.requests[0].retry())
                default:
                    assertDone(
                        world.requests[0].pieceEnded(transferred: 512, isSuccess: false),
                        .deviceFailed, 512)
                }
                XCTAssertEqual(world.mapper.statistics.active, 0, end)
                XCTAssertFalse(world.requests[0].isBusy)
            }
            // Without a piece there is nothing to give back.
            world.requests[0].release()
            XCTAssertEqual(world.state(), .idle)
        }
    }

    func testMemoryThatHasGone() throws {
        try forEachEngine { world in
            try assertPiece(world.beginSteps(0, .fromDevice, at: 0, count: 4096), 0..<4096)
            guard case .done(let result) = world.requests[0].memoryFailed(transferred: 0),
                case .fault = result.outcome
            else { return XCTFail("no fault") }
            XCTAssertEqual(world.state(), .idle)
        }
    }

    func testAStepThatWaits() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            try assertPiece(world.beginSteps(0, .toDevice, at: 0, count: 8192), 0..<4096)
            assertWaits(world.beginSteps(1, .toDevice, at: 65536, count: 4096))
            XCTAssertEqual(world.state(1), .waiting)
            // The buffer goes to the other, which has waited longer.
            assertWaits(world.requests[0].pieceEnded(transferred: 4096, isSuccess: true))
            XCTAssertEqual(world.state(0), .waiting)
            let steps = world.resume(takesSteps: true)
            XCTAssertEqual(steps.count, 1)
            try assertPiece(steps.first, 0..<4096)
            XCTAssertEqual(world.state(1), .held)
            assertDone(
                world.requests[1].pieceEnded(transferred: 4096, isSuccess: true), .success, 4096)
            try assertPiece(world.resume(takesSteps: true).first, 4096..<8192)
            assertDone(
                world.requests[0].pieceEnded(transferred: 4096, isSuccess: true), .success, 8192)
        }
    }

    /// A transfer of another request is none of its business.
    func testResumeOfAnotherTransfer() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            try assertPiece(world.beginSteps(0, .toDevice, at: 0, count: 4096), 0..<4096)
            assertWaits(world.beginSteps(1, .toDevice, at: 65536, count: 4096))
            _ = world.requests[0].pieceEnded(transferred: 4096, isSuccess: true)
            world.mapper.resume { transfer, step in
                XCTAssertFalse(world.requests[0].owns(transfer))
                XCTAssertTrue(world.requests[1].owns(transfer))
                XCTAssertNil(world.requests[0].resume(transfer, step))
                XCTAssertEqual(
                    world.requests[0].resume(transfer, step, on: world.queue), .pending)
                XCTAssertEqual(world.state(0), .idle)
                XCTAssertNotNil(world.requests[1].resume(transfer, step))
            }
            world.requests[1].release()
        }
    }
}
