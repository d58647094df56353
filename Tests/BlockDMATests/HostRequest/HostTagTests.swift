import BlockDMA
import BlockIO
import CTestSupport
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Several requests of a device at once: each hears of its own.
final class HostTagTests: HostRequestTestCase {
    func testFourAtOnce() throws {
        try forEachEngine { world in
            for tag in 0..<4 { try world.fillImage(tag << 16..<tag << 16 + 4096, UInt8(tag + 1)) }
            // The second is in the host's hands until the others are over.
            world.faults.add(.init(.hold, range: 1 << 16..<1 << 16 + 4096, count: 1))
            world.faults.add(.init(.error(EIO), range: 3 << 16..<3 << 16 + 4096, count: 1))
            for tag in 0..<4 {
                world.begin(tag, .fromDevice, at: GuestAddress(UInt64(tag) << 16), count: 4096)
            }
            world.requests[2].abandon()
            while world.queue.outstanding > 1 { try world.deliver() }
            XCTAssertEqual(
                world.answers, [[.transferCompleted(.success, 4096)], [], [.released], [.failed]])
            XCTAssertEqual(
                (0..<4).map(world.state), [.idle, .submitted, .idle, .held])
            XCTAssertEqual(
                world.requests[3].apply(.stop, to: world.failures[0], on: world.queue), .pending)
            world.begin(0, .fromDevice, at: 0x4_0000, count: 512)
            world.faults.release()
            try world.settle()
            XCTAssertEqual((0..<4).map(world.state), [.idle, .idle, .idle, .parked])
            XCTAssertTrue(world.requests[3].retry())
            world.begin(3, .fromDevice, at: 0x3_0000, count: 4096)
            try world.settle()
            XCTAssertEqual(world.answers[1], [.transferCompleted(.success, 4096)])
            XCTAssertEqual(world.answers[3], [.failed, .transferCompleted(.success, 4096)])
            for tag in [0, 1, 3] {
                XCTAssertEqual(world.memory(tag << 16..<tag << 16 + 4096), UInt8(tag + 1))
            }
        }
    }

    /// Sanitizers replace malloc(3) themselves and leave nothing to count.
    func testNothingIsAllocated() throws {
        try forEachEngine { world in
            var list = ScatterGatherList(capacity: 1)
            list.append(address: 0, length: 4096)
            func round(_ direction: DMADirection) throws -> HostAnswer {
                let (transfer, step) = world.mapper.begin(list, direction, unit: 512)
                var answer = world.requests[0].begin(transfer, step, on: world.queue, at: 0)
                while answer == .pending {
                    guard world.queue.outstanding > 0 else { throw Stuck(outstanding: 0) }
                    world.queue.poll(minimum: 1) {
                        answer = world.requests[0].complete($0, on: world.queue)
                    }
                }
                return answer
            }
            for _ in 0..<10 { _ = try round(.toDevice) }
            // The rest of the process has its own affairs: one quiet run proves that none is needed.
            var least = UInt64.max
            for _ in 0..<5 where least > 0 {
                cts_allocations_start()
                var isGood = true
                for number in 0..<10 {
                    let answer = try round(number % 2 == 0 ? .fromDevice : .toDevice)
                    if answer != .transferCompleted(.success, 4096) { isGood = false }
                }
                least = min(least, cts_allocations_stop())
                XCTAssertTrue(isGood)
            }
            if cts_allocations_are_countable() { XCTAssertEqual(least, 0) }
        }
    }
}
