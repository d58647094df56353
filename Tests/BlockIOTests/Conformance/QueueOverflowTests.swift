import BlockIO
import XCTest
@testable import TestSupport

/// A thousand requests on a queue of four.
final class QueueOverflowTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let count = 1000

    func testAThousandRequestsAtDepthFour() throws {
        try checkAll { queue, submit in
            for index in 0..<count { submit(index) }
        }
    }

    func testAThousandRequestsInOneBatchAtDepthFour() throws {
        try checkAll { queue, submit in
            queue.batch {
                for index in 0..<count { submit(index) }
            }
        }
    }

    /// Even requests read block i, odd ones write it.
    private func checkAll(_ submitAll: (BlockQueue, (Int) -> Void) -> Void) throws {
        try forEachConfiguration(size: 4 << 20, QueueOptions(depth: 4)) { subject in
            let block = subject.block
            let model = try subject.fillImage()
            let buffer = subject.buffer(count * block)
            buffer.fill(using: &subject.random)
            var ledger = Ledger(count: count)

            submitAll(subject.queue) { index in
                let place = UInt64(index * block)
                let piece = buffer.slice(index * block, block)
                if index % 2 == 0 {
                    subject.queue.read(into: piece, at: place, userData: UInt(index))
                } else {
                    subject.queue.write(
                        from: UnsafeRawBufferPointer(piece), at: place, userData: UInt(index))
                }
            }
            XCTAssertEqual(subject.queue.outstanding, count)
            try subject.queue.finish { ledger.note($0) }
            ledger.assertAllSucceeded()

            // Whichever way a block went, it is the same here and there now.
            let found = try subject.plainFile().contents(at: 0, count * block)
            XCTAssertTrue(sameBytes(found.bytes, buffer.bytes))
            for index in 0..<count where index % 2 == 0 {
                let (place, length) = (index * block, block)
                guard sameBytes(buffer.slice(place, length), model.slice(place, length)) else {
                    return XCTFail("block \(index) was not read")
                }
            }
        }
    }
}
