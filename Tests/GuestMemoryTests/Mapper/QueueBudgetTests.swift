import BlockDMA
import BlockIO
import BlockIOTesting
import GuestMemory
import XCTest

@testable import TestSupport

/// Many transfers at once on a queue, with bounce buffers for one of them.
final class QueueBudgetTests: ConformanceTestCase {
    func testTransfersInLineOverAnImage() throws {
        try forEachTarget(
            size: 1 << 20,
            where: { $0.threading == .owned && $0.target == .tmpfsFile || $0.target == .loop4096 }
        ) { configuration, target in
            let image = try configuration.open(target)
            let queue = try configuration.queue(
                on: image, QueueOptions().checked())
            defer { queue.close() }
            var random = SplitMix64(seed: Seed.value)
            let content = AlignedBuffer(count: 1 << 20)
            content.fill(using: &random)
            let plain = try PlainFile(target.path, direct: image.caching == .direct)
            try plain.write(content.bytes, at: 0)

            let guest = try Guest(bounceLimit: 4096)
            let wakes = Locked(0)
            let mapper = try DMAMapper(
                guest.space, options: DMAOptions(forceBounce: true)
            ) { wakes.withLock { $0 += 1 } }
            let length = 32 << 10
            var requests = InlineArray<32, HostRequest> { HostRequest(tag: UInt($0)) }
            var results: [UInt: DMAResult] = [:]
            // The first half of the image is read, the second half written.
            for number in 0..<32 as Range<UInt> {
                let list = ScatterGatherList([
                    (GuestAddress(Int(number) * length), UInt64(length))
                ])
                let direction: DMADirection = number < 16 ? .fromDevice : .toDevice
                if number >= 16 {
                    memcpy(
                        content.slice(Int(number) * length, length).baseAddress!,
                        guest.ram.base + Int(number) * length, length)
                }
                let (transfer, step) = mapper.begin(list, direction, unit: 512, userData: number)
                let answer = requests[Int(number)].begin(
                    transfer, step, on: queue, at: UInt64(number) * UInt64(length))
                XCTAssertEqual(answer, .pending)
            }
            XCTAssertEqual(mapper.statistics.active, 32)
            while mapper.statistics.active > 0 {
                mapper.resume { transfer, step in
                    let answer = requests[Int(transfer.userData)].resume(transfer, step, on: queue)
                    XCTAssertEqual(answer, .pending)
                }
                guard queue.outstanding > 0 else { throw Stuck(outstanding: 0) }
                try queue.pollForOne { completion in
                    let number = completion.userData
                    if let result = requests[Int(number)].end(completion, on: queue) {
                        results[number] = result
                    }
                }
            }
            XCTAssertEqual(results.count, 32)
            XCTAssertEqual(Set(results.values), [DMAResult(.success, UInt64(length))])
            XCTAssertEqual(memcmp(guest.ram.base, content.bytes.baseAddress!, 16 * length), 0)
            let found = try plain.contents(at: 0, content.count)
            XCTAssertTrue(sameBytes(found.bytes, content.bytes))
            XCTAssertEqual(guest.takeDirty()[0], Array(0..<128))
            XCTAssertEqual(guest.space.bouncePool.available, 4096)
            // Each piece but the first had to be waited for.
            XCTAssertEqual(wakes.current, 32 * 8 - 1)
        }
    }
}
