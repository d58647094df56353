import BlockIO
import CTestSupport
import XCTest
@testable import TestSupport

/// Rings without IORING_FEAT_EXT_ARG, as kernels before Linux 5.11 make them: a wait with a limit
/// would need requests of its own, so io_uring is not used.
final class MaskedFeatureTests: HostileTestCase {
    func testIOURingIsRefused() throws {
        let target = try orSkip(StorageTarget.make(.ext4File, size: 1 << 20))
        defer { target.close() }
        let child = try child("open", [target.pathForChildren])
        let lines = try child.lines()
        XCTAssertEqual(lines.first, "forced: engineUnavailable")
        XCTAssertContains(lines.dropFirst().first, "5.11")
        XCTAssertEqual(Array(lines.dropFirst(2)), ["auto: libaio", "waited"])
    }

    override func perform(_ role: String, _ port: ChildPort) throws {
        cts_calls_mask_ext_arg(true)
        do {
            let image = try BlockImage.open(
                port.arguments[0], OpenOptions(access: .readWrite, engine: .forced(.ioURing)))
            port.say("forced: opened")
            try wait(image)
        } catch let error as BlockError {
            port.say("forced: \(error.code)")
            port.say("because: \(error.detail)")
        }
        let image = try BlockImage.open(port.arguments[0], OpenOptions(access: .readWrite))
        port.say("auto: \(image.engine)")
        try wait(image)
        port.say("waited")
    }

    /// Waits with a limit that passes, and then for a request.
    private func wait(_ image: BlockImage) throws {
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 4096)
        queue.read(into: buffer.bytes, at: 0)
        queue.poll(minimum: 1, timeout: .microseconds(1))
        try queue.finish()
        queue.close()
    }
}
