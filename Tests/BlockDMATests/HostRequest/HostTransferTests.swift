import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Transfers that the queue carries out: from `begin` to `finished`.
final class HostTransferTests: HostRequestTestCase {
    func testOnePieceEachWay() throws {
        try forEachEngine { world in
            try world.fillImage(0..<8192, 0x11)
            XCTAssertEqual(world.state(), .idle)
            XCTAssertFalse(world.requests[0].isBusy)
            XCTAssertEqual(world.begin(0, .fromDevice, at: 0, count: 8192), .pending)
            XCTAssertEqual(world.state(), .submitted)
            XCTAssertTrue(world.requests[0].isBusy)
            try world.deliver()
            XCTAssertEqual(world.state(), .idle)
            XCTAssertEqual(world.memory(0..<8192), 0x11)
            XCTAssertEqual(world.takeDirty(), [0, 1])

            world.fillMemory(4096..<12288, 0x22)
            let answer = world.begin(0, .toDevice, at: 4096, count: 8192, offset: 65536)
            XCTAssertEqual(answer, .pending)
            try world.settle()
            XCTAssertEqual(try world.image(65536..<73728), 0x22)
            XCTAssertEqual(world.takeDirty(), [])
            XCTAssertEqual(
                world.answers[0],
                [.transferCompleted(.success, 8192), .transferCompleted(.success, 8192)])
        }
    }

    /// A durable write reaches the queue as one, and its second piece too.
    func testDurability() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            var list = ScatterGatherList(capacity: 1)
            list.append(address: 0, length: 8192)
            let (transfer, step) = world.mapper.begin(list, .toDevice, unit: 512)
            world.note(
                0,
                world.requests[0].begin(
                    transfer, step, on: world.queue, at: 0, durability: .forceUnitAccess))
            try world.settle()
            XCTAssertEqual(world.queue.statistics.durableWrites.operations, 2)
            world.begin(0, .toDevice, at: 0, count: 8192)
            try world.settle()
            XCTAssertEqual(world.queue.statistics.durableWrites.operations, 2)
        }
    }

    func testAListThatIsWrongEndsAtOnce() throws {
        try forEachEngine { world in
            let answer = world.begin(0, .fromDevice, at: HostWorld.hole, count: 512)
            XCTAssertTrue(answer.isFault)
            XCTAssertEqual(world.state(), .idle)
            XCTAssertEqual(world.queue.outstanding, 0)
        }
    }

    func testPiecesFollowEachOther() throws {
        try forEachEngine { world in
            try world.fillImage(0..<12288, 0x33)
            try world.setBouncing(true)
            world.begin(0, .fromDevice, at: 0, count: 12288)
            for done in [4096, 8192] {
                try world.deliver()
                XCTAssertEqual(world.state(), .submitted)
                XCTAssertEqual(world.memory(0..<done), 0x33)
                XCTAssertEqual(world.answers[0], [])
            }
            try world.deliver()
            XCTAssertEqual(world.answers[0], [.transferCompleted(.success, 12288)])
            XCTAssertEqual(world.takeDirty(), [0, 1, 2])
        }
    }

    /// The one that waits has its turn when the other has given its buffer back, and the other waits then.
    func testTransfersTakeTurnsWithBounceBuffers() throws {
        try forEachEngine { world in
            try world.fillImage(0..<8192, 0x44)
            try world.fillImage(65536..<73728, 0x55)
            try world.setBouncing(true)
            world.begin(0, .fromDevice, at: 0, count: 8192)
            XCTAssertEqual(world.begin(1, .fromDevice, at: 65536, count: 8192), .pending)
            XCTAssertEqual(world.state(1), .waiting)
            XCTAssertTrue(world.requests[1].isBusy)
            try world.deliver()
            XCTAssertEqual(world.state(0), .waiting)
            world.resume()
            XCTAssertEqual(world.state(1), .submitted)
            try world.settle()
            XCTAssertEqual(world.answers[0], [.transferCompleted(.success, 8192)])
            XCTAssertEqual(world.answers[1], [.transferCompleted(.success, 8192)])
            XCTAssertEqual(world.memory(0..<8192), 0x44)
            XCTAssertEqual(world.memory(65536..<73728), 0x55)
        }
    }

    func testMemoryOfAnotherProcess() throws {
        try forEachEngine { world in
            // Read there, and written to the image.
            world.begin(0, .toDevice, at: HostWorld.remote, count: 4096, offset: 0)
            XCTAssertEqual(world.state(), .waiting)
            world.resume()
            XCTAssertEqual(world.state(), .waiting, "nothing has been answered")
            XCTAssertEqual(world.peer.answerAll(), 1)
            world.resume()
            XCTAssertEqual(world.state(), .submitted)
            try world.deliver()
            XCTAssertEqual(try world.image(0..<4096), HeldPeer.fill)
            // Read from the image, and written there.
            world.begin(0, .fromDevice, at: HostWorld.remote, count: 4096, offset: 0)
            XCTAssertEqual(world.state(), .submitted)
            try world.deliver()
            XCTAssertEqual(world.state(), .waiting)
            XCTAssertEqual(world.peer.written, 4096)
            XCTAssertEqual(world.peer.answerAll(), 1)
            world.resume()
            XCTAssertEqual(
                world.answers[0],
                [.transferCompleted(.success, 4096), .transferCompleted(.success, 4096)])
            // It refuses.
            world.begin(0, .toDevice, at: HostWorld.remote, count: 4096, offset: 0)
            XCTAssertEqual(world.peer.answerAll(isSuccess: false), 1)
            world.resume()
            XCTAssertEqual(world.answers[0].last?.isFault, true)
            XCTAssertEqual(world.state(), .idle)
        }
    }

    // MARK: Failures

    /// EFAULT is not the medium's failure: no policy is asked.
    func testMemoryThatTheKernelDoesNotReach() throws {
        try forEachEngine { world in
            for direction in [DMADirection.fromDevice, .toDevice] {
                world.faults.add(.init(.error(EFAULT), count: 1))
                world.begin(0, direction, at: 0, count: 4096)
                try world.deliver()
                XCTAssertEqual(world.state(), .idle)
                XCTAssertEqual(world.answers[0].last?.isFault, true)
            }
            XCTAssertEqual(world.answers[0].count, 2)
        }
    }

    /// The host has the bounce buffer, and the memory behind it goes away.
    func testMemoryThatGoesAwayWhileItBounces() throws {
        try GuestRAM.surviveTruncation()
        var peer: PeerFile?
        try forEachEngine(memory: {
            let file = try PeerFile(size: HostWorld.size, fill: 0x5A)
            peer = file
            return try GuestRAM(descriptor: file.descriptor, size: HostWorld.size)
        }) { world in
            try world.setBouncing(true)
            try world.fillImage(0..<12288, 0x66)
            world.begin(0, .fromDevice, at: 0, count: 12288)
            try world.deliver()
            XCTAssertEqual(world.state(), .submitted)
            try XCTUnwrap(peer).shorten(to: 4096)
            try world.deliver()
            XCTAssertEqual(world.state(), .idle)
            guard case .transferCompleted(let result)? = world.answers[0].last else {
                return XCTFail("\(world.answers)")
            }
            XCTAssertTrue(world.answers[0].last?.isFault == true, "\(result)")
            XCTAssertEqual(result.transferred, 4096)
            XCTAssertEqual(world.memory(0..<4096), 0x66)
        }
    }

    func testFailureIsReported() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            world.faults.add(.init(.error(EIO), after: 1, count: 1))
            world.begin(0, .fromDevice, at: 0, count: 12288)
            try world.deliver()
            try world.deliver()
            XCTAssertEqual(world.answers[0], [.failed])
            XCTAssertEqual(world.state(), .held)
            XCTAssertTrue(world.requests[0].isBusy)
            XCTAssertEqual(world.failures.map(\.errno), [EIO])
            let answer = world.requests[0].apply(
                .report, to: world.failures[0], on: world.queue)
            XCTAssertEqual(answer, .transferCompleted(.deviceFailed, 4096))
            XCTAssertEqual(world.state(), .idle)
        }
    }

    func testFailureIsIgnored() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            try world.fillImage(0..<8192, 0x77)
            world.faults.add(.init(.error(EIO), count: 1))
            world.begin(0, .fromDevice, at: 0, count: 8192)
            try world.deliver()
            let first = world.requests[0].apply(
                .ignore, to: world.failures[0], on: world.queue)
            XCTAssertEqual(first, .pending)
            XCTAssertEqual(world.state(), .submitted)
            try world.settle()
            XCTAssertEqual(world.answers[0], [.failed, .transferCompleted(.success, 8192)])
            XCTAssertEqual(world.memory(4096..<8192), 0x77)
            // Of the last piece.
            world.faults.add(.init(.error(EIO), count: 1))
            world.begin(0, .fromDevice, at: 0, count: 4096)
            try world.deliver()
            let last = world.requests[0].apply(.ignore, to: world.failures[1], on: world.queue)
            XCTAssertEqual(last, .transferCompleted(.success, 4096))
        }
    }

    /// The machine is stopped by a failure in the middle, and goes on: all of it is transferred again.
    func testFailureStopsAndTheTransferRunsAgain() throws {
        try forEachEngine { world in
            try world.setBouncing(true)
            world.fillMemory(0..<8192, 0x88)
            world.faults.add(.init(.error(ENOSPC), after: 1, count: 1))
            world.begin(0, .toDevice, at: 0, count: 8192)
            try world.deliver()
            try world.deliver()
            let completion = world.failures[0]
            let action = ErrorPolicy.enospc.action(
                for: completion, canRetry: !world.requests[0].isStopped)
            XCTAssertEqual(action, .stop)
            XCTAssertEqual(
                world.requests[0].apply(action, to: completion, on: world.queue), .pending)
            XCTAssertEqual(world.state(), .parked)
            XCTAssertTrue(world.requests[0].isParked)
            XCTAssertFalse(world.requests[0].isBusy)
            XCTAssertEqual(world.mapper.statistics.active, 0)
            XCTAssertTrue(world.requests[0].retry())
            XCTAssertEqual(world.state(), .idle)
            XCTAssertFalse(world.requests[0].retry())
            // The guest has written to its memory meanwhile.
            world.fillMemory(0..<8192, 0x99)
            world.begin(0, .toDevice, at: 0, count: 8192)
            XCTAssertFalse(world.requests[0].retry())
            try world.settle()
            XCTAssertEqual(world.answers[0], [.failed, .transferCompleted(.success, 8192)])
            XCTAssertEqual(try world.image(0..<8192), 0x99)
        }
    }
}
