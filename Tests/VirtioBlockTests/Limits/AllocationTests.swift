import BlockIO
import CTestSupport
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// A queue that has warmed up allocates nothing for a request.
final class AllocationTests: VirtioTestCase {
    func testRequestsAllocateNothing() throws {
        try forEachTarget(
            size: Self.size,
            where: { $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .owned }
        ) { configuration, target in
            let image = try configuration.open(target)
            let ram = try GuestRAM(size: 8 << 20)
            let space = try AddressSpace()
            try space.map(.ram(ram), at: 0)
            let device = try VirtioBlockDevice(image)
            XCTAssertTrue(device.acceptFeatures(device.offeredFeatures))
            let queue = try VirtioBlockQueue(device, BlockQueue(image), on: space)
            let ring = FixedRing(ram)
            try queue.start(ring.layout)
            for _ in 0..<50 { ring.run(queue) }
            var least = UInt64.max
            // The rest of the process has its own affairs.
            for _ in 0..<5 where least > 0 {
                cts_allocations_start()
                for _ in 0..<50 { ring.run(queue) }
                least = min(least, cts_allocations_stop())
            }
            XCTAssertEqual(queue.statistics.failures, 0)
            guard cts_allocations_are_countable() else { return }
            XCTAssertEqual(least, 0, "allocations in 50 times 40 requests, \(configuration)")
        }
    }
}
