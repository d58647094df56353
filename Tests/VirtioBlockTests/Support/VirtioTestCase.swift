import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// A test of a virtqueue on each engine, on a file in a tmpfs.
class VirtioTestCase: ConformanceTestCase {
    static let size = 1 << 20

    /// Runs `check` with a new world on each engine; each byte of the image is that of ``content(_:)``.
    func forEachEngine(
        access: OpenOptions.Access = .readWrite, _ options: VirtioWorld.Options = .init(),
        _ check: (VirtioWorld, PlainFile) throws -> Void
    ) throws {
        try forEachTarget(
            size: Self.size,
            where: {
                $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .owned
            }
        ) { configuration, target in
            let plain = try PlainFile(target.path, direct: false)
            let buffer = AlignedBuffer(count: Self.size)
            for index in 0..<Self.size { buffer.bytes[index] = Self.content(index) }
            try plain.write(buffer.bytes, at: 0)
            let image = try configuration.open(target, access: access)
            try check(VirtioWorld(image, options), plain)
        }
    }

    /// The byte of the image at `offset`, at first.
    static func content(_ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: offset ^ offset >> 9 &* 7)
    }

    static func content(at offset: Int, _ count: Int) -> [UInt8] {
        (offset..<offset + count).map { content($0) }
    }

    /// The bytes of the file from `offset` on.
    func bytes(_ plain: PlainFile, at offset: Int, _ count: Int) throws -> [UInt8] {
        let buffer = try plain.contents(at: offset, count)
        return withExtendedLifetime(buffer) { [UInt8](buffer.bytes) }
    }

    /// Fails, and says where, unless all bytes are equal.
    func expect(
        _ found: [UInt8], _ wanted: [UInt8], _ what: String = "", line: UInt = #line,
        file: StaticString = #filePath
    ) {
        if found == wanted { return }
        let place = zip(found, wanted).enumerated().first { $1.0 != $1.1 }?.offset
        XCTFail(
            "\(what): \(found.count) bytes, \(wanted.count) wanted, first different at "
                + "\(place.map { "\($0): \(found[$0]), not \(wanted[$0])" } ?? "the end")",
            file: file, line: line)
    }
}
