import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// What errors say to people.
final class ErrorMessageTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    func testARequestOutsideTheImageSaysWhereItEndsAndHowLargeTheImageIs() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let buffer = subject.buffer(4096)
            let path = subject.target.path
            let beyond: [(offset: UInt64, text: String)] = [
                (
                    .max,
                    "read \(path): 4096 bytes from byte 18446744073709551615 end beyond the last "
                        + "address of 64 bits"
                ),
                (
                    .max - 4095,
                    "read \(path): 4096 bytes from byte 18446744073709547520 end beyond the last "
                        + "address of 64 bits"
                ),
                (
                    1 << 20,
                    "read \(path) [1048576, 1052672): the request reaches outside the image, which "
                        + "has 1048576 bytes"
                ),
            ]
            for (offset, text) in beyond {
                XCTAssertThrowsError(
                    try subject.queue.readAndWait(into: buffer.bytes, at: offset)
                ) { XCTAssertEqual("\($0)", text) }
            }
            XCTAssertThrowsError(try subject.queue.discardAndWait(at: 512, length: .max)) {
                XCTAssertEqual(
                    "\($0)",
                    "discard \(path): 18446744073709551615 bytes from byte 512 end beyond the "
                        + "last address of 64 bits")
            }
        }
    }

    func testAListLongerThanAnyImageSaysSo() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let buffer = subject.buffer(4096)
            let base = buffer.bytes.baseAddress
            let vectors = [
                iovec(iov_base: base, iov_len: 1 << 63), iovec(iov_base: base, iov_len: 1 << 63),
            ]
            try vectors.withUnsafeBufferPointer { list in
                XCTAssertThrowsError(try subject.queue.readvAndWait(list, at: 0)) {
                    XCTAssertEqual((($0) as? BlockError)?.code, .outOfRange)
                    XCTAssertTrue("\($0)".contains("end beyond the last address"), "\($0)")
                }
            }
        }
    }

    func testResizingADeviceSaysThatItIsADevice() throws {
        try forEachConfiguration(
            size: 1 << 20, where: { $0.target.isBlockDevice && $0.layout == .raw }
        ) { subject in
            XCTAssertThrowsError(try subject.queue.resizeAndWait(to: 4096)) {
                XCTAssertEqual(
                    "\($0)",
                    "resize \(subject.target.path): a block device cannot be resized, only a file can"
                )
            }
        }
    }
}
