import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import XCTest

@testable import TestSupport

/// What each policy makes of a failure that a queue reports.
final class ErrorDecisionTests: XCTestCase {
    func testEveryPolicyAndFailure() throws {
        let faults = FaultInjector()
        let directory = try TemporaryDirectory()
        let path = directory.path("image")
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL), path))
        try SystemCall.check(SystemCall.result(ftruncate(file.raw, 4096)), "ftruncate")
        let image = try BlockImage.open(path)
        let queue = try BlockQueue(image, QueueOptions().decorated(by: [.faults(faults)]))
        let buffer = AlignedBuffer(count: 512)
        defer { queue.close() }
        let expected: [(ErrorPolicy, CInt, ErrorAction, takenBack: ErrorAction)] = [
            (.report, EIO, .report, .report), (.report, ENOSPC, .report, .report),
            (.ignore, EIO, .ignore, .ignore), (.ignore, ENOSPC, .ignore, .ignore),
            (.stop, EIO, .stop, .report), (.stop, ENOSPC, .stop, .report),
            (.enospc, EIO, .report, .report), (.enospc, ENOSPC, .stop, .report),
        ]
        for (policy, errno, action, takenBack) in expected {
            faults.add(.init(.error(errno), count: 1))
            queue.read(into: buffer.bytes, at: 0)
            var seen = 0
            queue.drain { completion in
                seen += 1
                XCTAssertEqual(completion.errno, errno)
                XCTAssertEqual(policy.action(for: completion), action, "\(policy) \(errno)")
                XCTAssertEqual(
                    policy.action(for: completion, canRetry: false), takenBack,
                    "\(policy) \(errno)")
            }
            XCTAssertEqual(seen, 1)
        }
    }
}
