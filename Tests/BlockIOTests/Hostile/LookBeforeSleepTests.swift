import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// The owner of a ring looks for completions for a moment before it sleeps, and what it sees then need not be so.
final class LookBeforeSleepTests: HostileTestCase {
    private static let size = 1 << 20

    /// The kernel announces completions that it has posted, and has no others: the owner asks it for them a
    /// few times, and then sleeps.
    func testAnAnnouncementThatStaysKeepsNobodyAwake() throws {
        let mount = try orSkip(
            FuseMount { device in try child("serve", ["\(Self.size)"], input: device) })
        try mount.server.expect("serving")
        let image = try BlockImage.open(
            mount.path, OpenOptions(access: .readOnly, engine: .forced(.ioURing)))
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 2 * 4096)
        cts_calls_leave_taskrun()
        defer { cts_calls_clear() }
        try queue.readAndWait(into: buffer.slice(0, 4096), at: 4096)
        try mount.fallSilent()
        for index in 0..<2 { queue.read(into: buffer.slice(index * 4096, 4096), at: 8192) }
        let visits = CallFault(CTS_CALL_URING_VISIT, count: 0)
        visits.set()
        XCTAssertEqual(queue.poll(minimum: 1, timeout: .milliseconds(300)), 0)
        XCTAssertLessThan(visits.counts.calls, 100)
        mount.server.kill()
        var completions = 0
        try queue.finish { _ in completions += 1 }
        XCTAssertEqual(completions, 2)
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        try FuseMount.serve(port)
    }
}
