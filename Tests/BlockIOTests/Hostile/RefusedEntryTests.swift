import BlockIO
import XCTest
@testable import TestSupport

/// A request that the kernel refuses as soon as it looks at it, at the head of a batch: what is
/// behind it does not stay where it is.
final class RefusedEntryTests: ConformanceTestCase {
    /// An address that no process can have.
    private static let nowhere: UInt = 0xffff_8000_0000_0000

    /// When the batch is submitted: at its end, or by a poll inside it.
    private enum Submission: CaseIterable {
        case byTheEnd, byALook, byAWait
    }

    func testThoseBehindItWakeASleeper() throws {
        for submission in Submission.allCases {
            try forEachConfiguration(
                size: 1 << 20, where: { [.ext4File, .loop512].contains($0.target) }
            ) { subject in
                for count in 1...3 { try check(subject, submission, refused: count) }
            }
        }
    }

    private func check(
        _ subject: Subject, _ submission: Submission, refused count: Int
    ) throws {
        let content = try subject.fillImage()
        let queue = try subject.openQueue()
        let events = try EventSet(queue.descriptor)
        let buffer = subject.buffer(8192)
        var ledger = Ledger(count: count + 2)
        queue.batch {
            for index in 0..<count {
                queue.read(
                    into: .init(start: .init(bitPattern: Self.nowhere), count: 4096), at: 0,
                    userData: UInt(index))
            }
            for index in 0..<2 {
                queue.read(
                    into: buffer.slice(index * 4096, 4096), at: UInt64(index * 4096),
                    userData: UInt(count + index))
            }
            switch submission {
            case .byTheEnd: break
            case .byALook: queue.poll { ledger.note($0) }
            case .byAWait: queue.poll(minimum: 1, timeout: Patience.limit) { ledger.note($0) }
            }
        }
        while queue.outstanding > 0 {
            guard events.wait() != nil else {
                throw Stuck(outstanding: queue.outstanding)
            }
            queue.poll { ledger.note($0) }
        }
        ledger.assertAllCompleted()
        XCTAssertEqual(
            Set(ledger.failures.map(\.userData)), Set(0..<UInt(count)), "\(submission)")
        XCTAssertTrue(ledger.failures.allSatisfy { $0.failure == .system && $0.errno == EFAULT })
        XCTAssertTrue(sameBytes(buffer.bytes, content.slice(0, 8192)))
    }
}
