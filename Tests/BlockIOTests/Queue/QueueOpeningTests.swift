import BlockIO
import Foundation
import XCTest
@testable import TestSupport

/// What opening a queue does to the device of the image.
final class QueueOpeningTests: XCTestCase {
    /// A device that hangs must not keep a queue from being opened.
    func testNothingIsReadFromTheDevice() throws {
        let target = try orSkip(StorageTarget.make(.loop512, size: 1 << 20))
        defer { target.close() }
        for engine in EngineKind.allCases {
            let image = try BlockImage.open(
                target.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            let queues = 20
            let before = try reads(of: target)
            for _ in 0..<queues { try BlockQueue(image).close() }
            // Programs that look at new devices may read from it meanwhile.
            XCTAssertLessThan(try reads(of: target) - before, queues / 2, "\(engine)")
        }
    }

    /// Reads that the device has completed.
    private func reads(of target: StorageTarget) throws -> Int {
        let name = URL(fileURLWithPath: target.path).lastPathComponent
        let text = try XCTUnwrap(SysBlock.attribute("stat", of: name), name)
        return try XCTUnwrap(text.split(separator: " ").first.flatMap { Int($0) }, text)
    }
}
