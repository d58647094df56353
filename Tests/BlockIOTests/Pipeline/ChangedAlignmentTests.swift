import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// A device whose sectors become larger while it is open for reading; for a writer, who claims the
/// device, the kernel does not let that happen.
final class ChangedAlignmentTests: XCTestCase {
    func testReadsOfOldSectorsGoThroughABounceBuffer() throws {
        for engine in EngineKind.allCases {
            let loop = try orSkip(try LoopDevice(size: 1 << 20, sectorSize: 512))
            defer { loop.close() }
            let content = AlignedBuffer(count: 64 * 512)
            for sector in 0..<64 {
                content.slice(sector * 512, 512)
                    .initializeMemory(as: UInt8.self, repeating: UInt8(sector + 1))
            }
            try write(content, to: loop.path)

            let image = try BlockImage.open(loop.path, OpenOptions(engine: .forced(engine)))
            XCTAssertEqual(image.alignment.offset, 512)
            let queue = try BlockQueue(image, QueueOptions().checked())
            try loop.setSectorSize(4096)

            let copy = AlignedBuffer(count: 64 * 512)
            queue.batch {
                for sector in 0..<64 {
                    queue.read(into: copy.slice(sector * 512, 512), at: UInt64(sector * 512))
                }
            }
            queue.drain { XCTAssertTrue($0.isSuccess, "\(engine): \($0)") }
            XCTAssertEqual(image.alignment.offset, 4096, "\(engine)")
            XCTAssertTrue(sameBytes(copy.bytes, content.bytes), "\(engine)")
            XCTAssertGreaterThan(queue.statistics.bouncedBytes, 0, "\(engine)")
            queue.close()
        }
    }

    private func write(_ content: AlignedBuffer, to path: String) throws {
        let image = try BlockImage.open(path, OpenOptions(access: .readWrite))
        let queue = try BlockQueue(image)
        try queue.writeAndWait(from: .init(content.bytes), at: 0)
        queue.close()
    }
}
