import BlockHost
import XCTest
@testable import TestSupport

final class ByteQueueTests: XCTestCase {
    /// Against an array, with counts that make it grow and move what it has.
    func testBytesLeaveInTheOrderInWhichTheyCame() {
        var random = SplitMix64(seed: Seed.value)
        var queue = ByteQueue(capacity: 16)
        var model: [UInt8] = []
        for round in 0..<5000 {
            if random.next() % 2 == 0 {
                let bytes = (0..<random.number(0...40)).map { _ in
                    UInt8(truncatingIfNeeded: random.next())
                }
                bytes.withUnsafeBytes { queue.append($0) }
                model += bytes
            } else {
                let count = random.number(0...model.count)
                queue.removeFirst(count)
                model.removeFirst(count)
            }
            XCTAssertEqual(queue.count, model.count)
            XCTAssert(queue.bytes.elementsEqual(model), "round \(round), seed \(Seed.text)")
        }
    }

    func testTextAndSingleBytes() {
        var queue = ByteQueue()
        XCTAssert(queue.isEmpty)
        queue.append("é")
        queue.append(UInt8(ascii: "!"))
        XCTAssertEqual(String(decoding: queue.bytes, as: UTF8.self), "é!")
        queue.removeAll()
        XCTAssert(queue.isEmpty)
    }

    func testRoomThatIsGivenBack() {
        var queue = ByteQueue(capacity: 8)
        queue.append(String(repeating: "x", count: 5000))
        queue.removeAll(keepingAtMost: 64)
        XCTAssert(queue.isEmpty)
        queue.append("again")
        XCTAssertEqual(String(decoding: queue.bytes, as: UTF8.self), "again")
    }

    func testBytesThatAreReplaced() {
        var queue = ByteQueue()
        queue.append("..size of it")
        queue.removeFirst(2)
        [UInt8]("SIZE".utf8).withUnsafeBytes { queue.replace(at: 0, with: $0) }
        [UInt8]("IT".utf8).withUnsafeBytes { queue.replace(at: 8, with: $0) }
        XCTAssertEqual(String(decoding: queue.bytes, as: UTF8.self), "SIZE of IT")
    }
}
