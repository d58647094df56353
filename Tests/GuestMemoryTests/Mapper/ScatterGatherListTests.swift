import GuestMemory
import XCTest

final class ScatterGatherListTests: XCTestCase {
    private func elements(_ list: borrowing ScatterGatherList) -> [[UInt64]] {
        (0..<list.count).map { [list[$0].address.rawValue, list[$0].length] }
    }

    func testManyAreAddedBehindWhatIsThere() {
        var list = ScatterGatherList(capacity: 1)
        list.append(address: 1, length: 10)
        list.append(atMost: 5) { room in
            for index in 0..<3 { room[index] = .init(address: GuestAddress(index), length: 20) }
            return 3
        }
        list.append(atMost: 0) { _ in 0 }
        list.append(address: 9, length: 30)
        XCTAssertEqual(elements(list), [[1, 10], [0, 20], [1, 20], [2, 20], [9, 30]])
        XCTAssertEqual(list.total, 100)
    }

    func testBytesAreTakenOffTheEnd() {
        for (bytes, left) in [
            (0, [[0, 10], [64, 20], [128, 30]]), (1, [[0, 10], [64, 20], [128, 29]]),
            (30, [[0, 10], [64, 20]]), (31, [[0, 10], [64, 19]]), (50, [[0, 10]]),
            (59, [[0, 1]]), (60, []), (61, []),
        ] as [(UInt64, [[UInt64]])] {
            var list = ScatterGatherList()
            for index in 0..<3 {
                list.append(address: GuestAddress(64 * index), length: UInt64(10 * (index + 1)))
            }
            list.removeLast(bytes: bytes)
            XCTAssertEqual(elements(list), left, "\(bytes) bytes")
        }
    }
}
