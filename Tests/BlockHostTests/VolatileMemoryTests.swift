import BlockHost
import Glibc
import XCTest
@testable import TestSupport

final class VolatileMemoryTests: XCTestCase {
    override func setUpWithError() throws { try MemoryWatch.catchTruncation() }

    func testEveryCountAndAlignment() {
        let source = (0..<700).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
        for count in Array(0...66) + [255, 256, 512, 513, 600] {
            for (from, to) in [(0, 0), (1, 0), (0, 1), (3, 5), (8, 16), (32, 32)] {
                var target = [UInt8](repeating: 0, count: 700)
                let outcome = source.withUnsafeBytes { source in
                    target.withUnsafeMutableBytes { target in
                        VolatileMemory.copy(
                            to: target.baseAddress! + to, from: source.baseAddress! + from,
                            count: count)
                    }
                }
                XCTAssertEqual(outcome, .whole)
                var expected = [UInt8](repeating: 0, count: 700)
                expected.replaceSubrange(to..<to + count, with: source[from..<from + count])
                XCTAssertEqual(target, expected, "\(count) bytes from \(from) to \(to)")
            }
        }
    }

    func testFixedCountsAtEveryAlignment() {
        let source = (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
        for count in [16, 48] {
            for (from, to) in [(0, 0), (1, 0), (0, 1), (3, 5), (8, 16)] {
                var target = [UInt8](repeating: 0, count: 100)
                let outcome = source.withUnsafeBytes { source in
                    target.withUnsafeMutableBytes { target in
                        let (to, from) = (target.baseAddress! + to, source.baseAddress! + from)
                        return count == 16
                            ? VolatileMemory.copy16(to: to, from: from)
                            : VolatileMemory.copy48(to: to, from: from)
                    }
                }
                XCTAssertEqual(outcome, .whole)
                var expected = [UInt8](repeating: 0, count: 100)
                expected.replaceSubrange(to..<to + count, with: source[from..<from + count])
                XCTAssertEqual(target, expected, "\(count) bytes from \(from) to \(to)")
            }
        }
        var bytes: [UInt8] = [1, 2, 3]
        XCTAssertEqual(VolatileMemory.store(9, to: &bytes[1]), .whole)
        XCTAssertEqual(bytes, [1, 9, 3])
    }

    func testFill() {
        var target = [UInt8](repeating: 1, count: 100)
        let outcome = target.withUnsafeMutableBytes {
            VolatileMemory.fill($0.baseAddress! + 3, with: 0xAB, count: 90)
        }
        XCTAssertEqual(outcome, .whole)
        XCTAssertEqual(
            target,
            Array(repeating: 1, count: 3) + Array(repeating: 0xAB, count: 90)
                + Array(repeating: 1, count: 7))
    }

    func testWhatIsBeforeTheLossIsCopied() throws {
        let lost = try LostMemory(size: 3 * 4096, kept: 4096)
        XCTAssertEqual(lost.watch.intact(lost.base, 8192), 8192, "nobody has looked")
        var target = [UInt8](repeating: 0, count: 8192)
        let outcome = target.withUnsafeMutableBytes {
            VolatileMemory.copy(to: $0.baseAddress!, from: lost.base + 96, count: 8000)
        }
        XCTAssertEqual(outcome, .lost)
        XCTAssertEqual(target[..<4000], [UInt8](repeating: 0xEE, count: 4000)[...])
        XCTAssertEqual(lost.watch.intact(lost.base + 96, 8000), 4000)
        XCTAssertEqual(lost.watch.intact(lost.base + 4096, 1), 0)
        XCTAssert(MemoryWatch.isAnyLost)
        XCTAssertEqual(VolatileMemory.copy(to: &target, from: lost.base, count: 4096), .whole)
    }

    func testWritesToMemoryThatIsGone() throws {
        let lost = try LostMemory(size: 2 * 4096, kept: 4096)
        var byte: UInt8 = 1
        XCTAssertEqual(VolatileMemory.copy(to: lost.base + 4100, from: &byte, count: 1), .lost)
        XCTAssertEqual(VolatileMemory.store(1, to: lost.base + 4100), .lost)
        var bytes = [UInt8](repeating: 0, count: 48)
        XCTAssertEqual(VolatileMemory.copy16(to: &bytes, from: lost.base + 4096), .lost)
        XCTAssertEqual(VolatileMemory.copy16(to: &bytes, from: lost.base + 4080), .whole)
        XCTAssertEqual(VolatileMemory.copy48(to: &bytes, from: lost.base + 4064), .lost)
        XCTAssertEqual(bytes, Array(repeating: 0xEE, count: 32) + Array(repeating: 0, count: 16))
        XCTAssertEqual(VolatileMemory.fill(lost.base, with: 2, count: 8192), .lost)
        XCTAssertEqual(lost.base.load(fromByteOffset: 4095, as: UInt8.self), 2)
    }

    /// Without a copy of this process: the kernel has said EFAULT.
    func testAProbeFindsTheLoss() throws {
        let lost = try LostMemory(size: 4 * 4096, kept: 2 * 4096)
        VolatileMemory.probe(lost.base, count: 4 * 4096)
        XCTAssertEqual(lost.watch.intact(lost.base, 4 * 4096), 2 * 4096)
    }
}
