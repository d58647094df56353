import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// A request that the kernel has, and that is cancelled again and again: the kernel is asked once. Each
/// question would be answered in the ring of the completions, which has room for so many.
final class RepeatedCancelTests: HostileTestCase {
    private static let size = 1 << 20

    func testTheKernelIsAskedOnce() throws {
        let mount = try orSkip(mount())
        let image = try BlockImage.open(
            mount.path, OpenOptions(access: .readOnly, engine: .forced(.ioURing)))
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 4096)
        try mount.fallSilent()
        let read = queue.read(into: buffer.bytes, at: 4096)
        let submissions = CallFault(CTS_CALL_URING_SUBMIT, count: 0)
        try submissions.during {
            for _ in 0..<1000 { queue.cancel(read) }
            XCTAssertEqual(submissions.counts.calls, 1)
            mount.server.kill()
            var completions = 0
            try queue.finish { _ in completions += 1 }
            XCTAssertEqual(completions, 1)
        }
    }

    private func mount() throws -> FuseMount {
        let mount = try FuseMount { device in
            try child("serve", ["\(Self.size)"], input: device)
        }
        try mount.server.expect("serving")
        return mount
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        try FuseMount.serve(port)
    }
}
