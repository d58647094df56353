import BlockIO
import Foundation
import XCTest

@testable import TestSupport

/// The sizes that the host prefers.
final class ImageLimitsTests: ConformanceTestCase {
    func testLimitsOfEachTarget() throws {
        try forEachTarget(
            size: 1 << 20,
            where: {
                $0.threading == .owned && $0.engine == .threadPool && $0.caching == .direct
            }
        ) { configuration, target in
            let limits = try configuration.open(target).limits
            let block = target.kind == .loop512 ? 512 : 4096
            XCTAssertEqual(limits.physicalBlockSize, block)
            XCTAssertEqual(limits.minimumIOSize % block, 0)
            XCTAssertGreaterThan(limits.minimumIOSize, 0)
            XCTAssertEqual(limits.optimalIOSize % block, 0)
            guard target.kind.isBlockDevice else {
                XCTAssertEqual(limits.discardGranularity, block)
                return XCTAssertEqual(limits.discardMaximum, 0)
            }
            let device = URL(fileURLWithPath: target.path).lastPathComponent
            XCTAssertEqual(
                "\(limits.discardGranularity)",
                SysBlock.attribute("queue/discard_granularity", of: device))
            XCTAssertEqual(
                "\(limits.discardMaximum)",
                SysBlock.attribute("queue/discard_max_bytes", of: device))
            XCTAssertEqual(
                "\(limits.optimalIOSize)",
                SysBlock.attribute("queue/optimal_io_size", of: device))
        }
    }

    /// A guest's sectors can be larger than the blocks of the host.
    func testLargeSectors() throws {
        let target = try StorageTarget.make(.tmpfsFile, size: 1 << 20)
        defer { target.close() }
        let image = try BlockImage.open(target.path, OpenOptions(logicalBlockSize: 65536))
        XCTAssertEqual(image.limits.physicalBlockSize, 65536)
        XCTAssertEqual(image.limits.discardGranularity, 65536)
    }
}
