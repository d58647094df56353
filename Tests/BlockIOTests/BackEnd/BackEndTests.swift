import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// An image on a back end that the library does not know.
final class BackEndTests: ConformanceTestCase {
    private static let size = 64 << 10

    private func withQueue(
        _ decorators: [QueueDecorator] = [], _ check: (MemoryBackEnd, BlockQueue) throws -> Void
    ) throws {
        for threading in [QueueThreading.owned, .shared] {
            let backEnd = MemoryBackEnd(size: Self.size)
            let image = try BlockImage.open(backEnd: backEnd, OpenOptions(access: .readWrite))
            let options = QueueOptions(threading: threading, depth: 4)
            let queue = try BlockQueue(image, options.decorated(by: decorators))
            try check(backEnd, queue)
            queue.close()
        }
    }

    func testContentGoesToTheBackEndAndComesBack() throws {
        try withQueue([.alignmentChecked]) { backEnd, queue in
            var random = SplitMix64(seed: Seed.value)
            let written = AlignedBuffer(count: Self.size)
            written.fill(using: &random)
            let bytes = UnsafeRawBufferPointer(written.bytes)
            queue.batch {
                // Aligned and not, and more than the engine takes at a time.
                for start in stride(from: 0, to: Self.size, by: 3000) {
                    let end = min(start + 3000, Self.size)
                    queue.write(from: .init(rebasing: bytes[start..<end]), at: UInt64(start))
                }
            }
            try queue.finish { XCTAssertTrue($0.isSuccess, "\($0)") }
            XCTAssertTrue(sameBytes(backEnd.bytes, written.bytes))
            try queue.flushAndWait()
            let read = AlignedBuffer(count: Self.size)
            try queue.readAndWait(into: read.bytes, at: 0)
            XCTAssertTrue(sameBytes(read.bytes, written.bytes))
        }
    }

    func testWhatTheBackEndCannotDoIsDoneInAnotherWay() throws {
        try withQueue { backEnd, queue in
            memset(backEnd.bytes.baseAddress!, 5, Self.size)
            try queue.writeZeroesAndWait(at: 512, length: 1024)
            XCTAssertTrue(backEnd.bytes[512..<1536].allSatisfy { $0 == 0 })
            queue.discard(at: 4096, length: 4096)
            try queue.finish { XCTAssertEqual($0.effect, .oldData) }
            XCTAssertEqual(backEnd.bytes[4096], 5)
        }
    }

    func testAWaitEndsByTheBackEndsAnswerOrByAWake() throws {
        let faults = FaultInjector()
        faults.add(.init(.hold))
        try withQueue([.faults(faults)]) { _, queue in
            let events = try EventSet(queue.descriptor)
            let buffer = AlignedBuffer(count: 512)
            queue.read(into: buffer.bytes, at: 0)
            XCTAssertEqual(queue.poll(minimum: 1, timeout: .milliseconds(2)), 0)
            faults.release()
            XCTAssertNotNil(events.wait())
            try queue.finish { XCTAssertTrue($0.isSuccess) }
        }
    }

    func testDecoratorsStackOverABackEnd() throws {
        let faults = FaultMix.make(seed: Seed.value)
        try withQueue([.alignmentChecked, .faults(faults)]) { _, queue in
            let buffer = AlignedBuffer(count: Self.size)
            var ledger = Ledger(count: 300)
            for index in 0..<300 {
                let place = index % 16 * 4096
                queue.write(
                    from: .init(buffer.slice(place, 3000)), at: UInt64(place),
                    userData: UInt(index))
            }
            let deadline = ContinuousClock.now + Patience.limit
            while queue.outstanding > 0 {
                guard ContinuousClock.now < deadline else {
                    throw Stuck(outstanding: queue.outstanding)
                }
                faults.release()
                queue.poll(minimum: 1, timeout: .milliseconds(1)) { ledger.note($0) }
            }
            ledger.assertAllCompleted()
        }
        XCTAssertGreaterThan(faults.injectedCount, 100)
    }
}
