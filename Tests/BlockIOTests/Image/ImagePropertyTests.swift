import BlockIO
import CTestSupport
import Glibc
import XCTest
@testable import TestSupport

/// What an open image says about itself.
final class ImagePropertyTests: ConformanceTestCase {
    func testPropertiesAreThoseOfTheTarget() throws {
        try forEachConfiguration(size: 1 << 20, where: { $0.threading == .owned }) { subject in
            let image = subject.image
            XCTAssertEqual(image.path, subject.target.path)
            XCTAssertEqual(image.kind, subject.target.kind.isBlockDevice ? .device : .file)
            XCTAssertEqual(image.size, 1 << 20)
            XCTAssertEqual(image.access, .readWrite)
            XCTAssertEqual(image.lock, .exclusive)
            XCTAssertEqual(image.caching, subject.configuration.caching)
            XCTAssertEqual(image.engine, subject.configuration.engine)
            XCTAssertEqual(image.logicalBlockSize, 512)
            XCTAssertTrue(image.capabilities.isSuperset(of: [.write, .flush, .durableWrite]))
        }
    }

    func testAlignmentIsAtLeastWhatTheKernelDemands() throws {
        try forEachConfiguration(size: 1 << 20, where: { $0.engine == .threadPool }) { subject in
            guard subject.image.caching == .direct else {
                return XCTAssertEqual(subject.image.alignment, .none)
            }
            let file = try Descriptor(
                SystemCall.check(
                    Descriptor.open(subject.target.path, O_RDONLY | CTS_O_DIRECT), "open"))
            var answer = cts_dio_alignment()
            XCTAssertEqual(cts_dio_alignment(file.raw, &answer), 0)
            guard answer.known else { return }
            XCTAssertEqual(subject.image.alignment.offset, Int(answer.offset))
            XCTAssertGreaterThanOrEqual(subject.image.alignment.memory, Int(answer.memory))
        }
    }

    /// statx(2) answers 512 for zram's memory alignment; but zram (seen with Linux 6.18) takes each
    /// part of a page for a whole one, reads and writes the wrong bytes, and overwrites memory
    /// around the buffer. See ``VectorCountTests``, which caught that.
    func testZramGetsWholePages() throws {
        let target = try orSkip(StorageTarget.make(.zram, size: 1 << 20))
        defer { target.close() }
        let alignment = try BlockImage.open(target.path).alignment
        XCTAssertEqual(alignment.memory % Int(getpagesize()), 0, "\(alignment)")
    }
}
