import BlockDMA
import BlockIO
import CTestSupport
import Glibc
import XCTest

@testable import GuestMemory
@testable import TestSupport

/// The direct path costs nothing but the request: 256 scattered pages are one request of the
/// kernel's, in the guest's own memory, without an allocation (docs/guest-memory.md, D2, D6).
///
/// Sanitizers replace malloc(3) themselves and leave nothing to count; under them only the I/O runs.
final class DMAAllocationTests: ConformanceTestCase {
    private static let pages = 256
    private static let length = pages * 4096

    /// A guest whose bounce buffers nobody can touch, and a list of its pages in random order.
    private final class ScatteredMachine {
        let ram: GuestRAM
        let space: AddressSpace
        let mapper: DMAMapper
        var list = ScatterGatherList(capacity: DMAAllocationTests.pages)
        /// In the order of the list.
        let order: [Int]

        init() throws {
            ram = try GuestRAM(size: 4 << 20)
            space = try AddressSpace()
            try space.map(.ram(ram), at: 1 << 32)
            mapper = try DMAMapper(space)
            ram.dirtyLog.start(.migration)
            var random = SplitMix64(seed: Seed.value)
            var order = Array((0..<1024).shuffled(using: &random).prefix(DMAAllocationTests.pages))
            // None beside the one before it: such neighbours would be one.
            for index in 1..<order.count where order[index] == order[index - 1] + 1 {
                order.swapAt(index, index - 1)
            }
            self.order = order
            for page in order { list.append(address: 1 << 32 + UInt64(page) * 4096, length: 4096) }
            try protect(PROT_NONE)
        }

        deinit { try? protect(PROT_READ | PROT_WRITE) }

        private func protect(_ rights: CInt) throws {
            let pool = space.bouncePool
            try SystemCall.check(
                SystemCall.result(mprotect(pool.base, pool.size, rights)), "mprotect")
        }

        func isInRAM(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
            var isInside = true
            for vector in vectors {
                let offset = vector.iov_base! - ram.base
                if offset < 0 || offset + vector.iov_len > ram.size { isInside = false }
            }
            return isInside
        }
    }

    /// What a transfer was like.
    private struct Report: Equatable {
        var vectors = 0
        var isInRAM = false
        var outcome: DMAResult.Outcome?
    }

    private func transfer(
        _ machine: ScatteredMachine, _ direction: DMADirection, _ queue: BlockQueue
    ) throws -> Report {
        var report = Report()
        let (transfer, step) = machine.mapper.begin(machine.list, direction, unit: 512)
        if case .submit(let piece) = step {
            report.vectors = piece.vectors.count
            report.isInRAM = machine.isInRAM(piece.vectors)
        }
        var request = HostRequest()
        var result = request.begin(transfer, step, on: queue, at: 0).result
        while result == nil {
            if queue.outstanding == 0 { throw Stuck(outstanding: 0) }
            queue.poll(minimum: 1) { result = request.end($0, on: queue) }
        }
        report.outcome = result?.outcome
        return report
    }

    func testScatteredPagesAreOneRequestAndNoAllocation() throws {
        try forEachTarget(size: Self.length) { configuration, target in
            let image = try configuration.open(target)
            // Few threads, so that none is ever idle long enough to leave and be made anew.
            let queue = try configuration.queue(on: image, QueueOptions(maximumThreads: 4))
            let machine = try ScatteredMachine()
            for direction in [DMADirection.fromDevice, .toDevice] {
                try check(machine, direction, queue)
            }
            try checkContent(machine, queue, target)
        }
    }

    private func check(
        _ machine: ScatteredMachine, _ direction: DMADirection, _ queue: BlockQueue
    ) throws {
        let good = Report(vectors: Self.pages, isInRAM: true, outcome: .success)
        for _ in 0..<10 { XCTAssertEqual(try transfer(machine, direction, queue), good) }
        let before = queue.statistics
        var count: UInt64 = 0
        // The rest of the process has its own affairs: one quiet run proves that none is needed.
        var least = UInt64.max
        for _ in 0..<5 where least > 0 {
            cts_allocations_start()
            var isGood = true
            for _ in 0..<10 {
                if try transfer(machine, direction, queue) != good { isGood = false }
                count += 1
            }
            least = min(least, cts_allocations_stop())
            XCTAssertTrue(isGood)
        }
        if cts_allocations_are_countable() { XCTAssertEqual(least, 0, "\(direction)") }

        let after = queue.statistics
        XCTAssertEqual(after.kernelRequests - before.kernelRequests, count, "\(direction)")
        XCTAssertEqual(after.bouncedBytes, 0)
        XCTAssertEqual(after.pieces, before.pieces, "the kernel is given the caller's own list")
        XCTAssertEqual(after.directBytes - before.directBytes, count * UInt64(Self.length))
        XCTAssertEqual(machine.mapper.statistics.bouncedBytes, 0)
        XCTAssertEqual(machine.mapper.statistics.allocatedTransfers, 1)
        XCTAssertEqual(
            machine.ram.dirtyLog.takePages(),
            direction == .fromDevice ? machine.order.sorted() : [])
    }

    /// What went was what should have gone.
    private func checkContent(
        _ machine: ScatteredMachine, _ queue: BlockQueue, _ target: StorageTarget
    ) throws {
        for page in 0..<1024 { memset(machine.ram.base + page * 4096, CInt(page % 251), 4096) }
        XCTAssertEqual(try transfer(machine, .toDevice, queue).outcome, .success)
        memset(machine.ram.base, 0xff, machine.ram.size)
        XCTAssertEqual(try transfer(machine, .fromDevice, queue).outcome, .success)
        var expected = [UInt8](repeating: 0xff, count: 1024)
        for page in machine.order { expected[page] = UInt8(page % 251) }
        let found = (0..<1024).map { page -> UInt8? in
            let start = machine.ram.base + page * 4096
            return memcmp(start, start + 1, 4095) == 0 ? start.load(as: UInt8.self) : nil
        }
        XCTAssertEqual(found, expected)
    }
}
