import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// Images on a disk in memory, through the public interface.
final class VolatileDiskTests: XCTestCase {
    private let writable = OpenOptions(access: .readWrite)

    private func bytes(_ image: BlockImage, _ queue: BlockQueue) throws -> [UInt8] {
        let buffer = AlignedBuffer(count: Int(image.fileSize))
        try queue.readAndWait(into: buffer.bytes, at: 0)
        return Array(buffer.bytes)
    }

    func testADiskNeedsNoFileAndNoLock() throws {
        let before = OpenDescriptors.numbers()
        let disk = VolatileDisk(size: 8192, seed: 1)
        let image = try BlockImage.open(volatileDisk: disk, writable)
        XCTAssertEqual(OpenDescriptors.numbers(), before)
        XCTAssertEqual(image.kind, .backEnd)
        XCTAssertEqual(image.engine.rawValue, "volatile disk")
        XCTAssertEqual(image.lock, .off)
        XCTAssertTrue(
            image.capabilities.isSuperset(
                of: [.write, .flush, .durableWrite, .discard, .writeZeroes, .resize]))
        XCTAssertThrowsError(
            try BlockImage.open(volatileDisk: disk, OpenOptions(engine: .forced(.threadPool)))
        ) { XCTAssertEqual(($0 as? BlockError)?.code, .engineUnavailable) }
    }

    /// What a power cut leaves is what was made durable, and possibly more; the disk goes on with it.
    func testAPowerCutKeepsWhatWasMadeDurable() throws {
        for caching in [OpenOptions.Caching.direct, .buffered] {
            for durability in [WriteDurability.volatile, .forceUnitAccess] {
                let disk = VolatileDisk(size: 4096, seed: Seed.value)
                var options = writable
                options.caching = caching
                let image = try BlockImage.open(volatileDisk: disk, options)
                let queue = try BlockQueue(image, QueueOptions().checked())
                let buffer = AlignedBuffer(count: 1024)
                buffer.fill(5)
                let source = UnsafeRawBufferPointer(buffer.bytes)
                try queue.writeAndWait(from: source, at: 1024, durability: durability)
                if durability == .volatile { try queue.flushAndWait() }
                buffer.fill(6)
                try queue.writeAndWait(from: source, at: 2048)
                let left = disk.cutPower()
                XCTAssertEqual(Array(left[..<1024]), [UInt8](repeating: 0, count: 1024))
                XCTAssertEqual(Array(left[1024..<2048]), [UInt8](repeating: 5, count: 1024))
                for sector in [2048, 2560] {
                    let content = left[sector..<sector + 512]
                    XCTAssertTrue(content.allSatisfy { $0 == content.first! }, "torn")
                    XCTAssertTrue([0, 6].contains(content.first!))
                }
                XCTAssertEqual(try bytes(image, queue), left)
                queue.close()
                let other = VolatileDisk(content: left, seed: 1)
                let again = try BlockImage.open(volatileDisk: other)
                XCTAssertEqual(try bytes(again, BlockQueue(again)), left)
            }
        }
    }

    /// Of what is only cached, some survives and some does not.
    func testAPowerCutLosesWhatWasNot() throws {
        var survivors = 0
        for seed in UInt64(0)..<64 {
            let disk = VolatileDisk(size: 512, seed: seed)
            let image = try BlockImage.open(volatileDisk: disk, writable)
            let queue = try BlockQueue(image)
            let buffer = AlignedBuffer(count: 512)
            try queue.writeAndWait(from: UnsafeRawBufferPointer(buffer.bytes), at: 0)
            if disk.cutPower()[0] != 0 { survivors += 1 }
            queue.close()
        }
        XCTAssertTrue((1..<64).contains(survivors), "\(survivors) of 64")
    }

    func testADiskOfAnySizeIsWrittenUpToItsLastByte() throws {
        for size in [1, 511, 513, 1536 + 7] {
            let content = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
            let disk = VolatileDisk(content: content, seed: 1)
            let image = try BlockImage.open(volatileDisk: disk, writable)
            XCTAssertEqual(image.fileSize, UInt64(size))
            XCTAssertEqual(image.size, UInt64((size + 511) / 512 * 512))
            let queue = try BlockQueue(image, QueueOptions().checked())
            XCTAssertEqual(try bytes(image, queue), content)
            let buffer = AlignedBuffer(count: 1)
            buffer.fill(0xEE)
            try queue.writeAndWait(
                from: UnsafeRawBufferPointer(buffer.bytes), at: UInt64(size - 1),
                durability: .forceUnitAccess)
            XCTAssertEqual(disk.cutPower(), content.dropLast() + [0xEE])
            XCTAssertThrowsError(
                try queue.writeAndWait(
                    from: UnsafeRawBufferPointer(buffer.bytes), at: UInt64(size))
            ) { XCTAssertEqual(($0 as? BlockError)?.errno, ENOSPC) }
            queue.close()
        }
    }

    func testDiscardsAndZeroesReadAsZeroes() throws {
        let disk = VolatileDisk(content: [UInt8](repeating: 3, count: 4096), seed: 1)
        let image = try BlockImage.open(volatileDisk: disk, writable)
        let queue = try BlockQueue(image, QueueOptions().checked())
        XCTAssertEqual(try queue.discardAndWait(at: 512, length: 512), .zeroes)
        try queue.writeZeroesAndWait(at: 1500, length: 10)
        var expected = [UInt8](repeating: 3, count: 4096)
        for place in Array(512..<1024) + Array(1500..<1510) { expected[place] = 0 }
        XCTAssertEqual(try bytes(image, queue), expected)
        try queue.flushAndWait()
        XCTAssertEqual(disk.cutPower(), expected)
        queue.close()
    }

    func testAResizeChangesTheDiskAndHasALimit() throws {
        let disk = VolatileDisk(content: [UInt8](repeating: 3, count: 4096), seed: 1)
        let image = try BlockImage.open(volatileDisk: disk, writable)
        let queue = try BlockQueue(image)
        try queue.resizeAndWait(to: 1024)
        XCTAssertEqual(image.size, 1024)
        try queue.resizeAndWait(to: 2048)
        XCTAssertEqual(
            try bytes(image, queue),
            [UInt8](repeating: 3, count: 1024) + [UInt8](repeating: 0, count: 1024))
        let tooMuch: [UInt64] = [UInt64(VolatileDisk.sizeLimit) + 512, 1 << 62, UInt64.max - 511]
        for size in tooMuch {
            XCTAssertThrowsError(try queue.resizeAndWait(to: size)) {
                XCTAssertEqual(($0 as? BlockError)?.errno, EFBIG)
            }
        }
        XCTAssertEqual(image.size, 2048)
        queue.close()
    }

    func testAReadOnlyImageHasSeveralQueuesAndSeesWhatAnotherImageWrites() throws {
        let disk = VolatileDisk(size: 4096, seed: 1)
        let writer = try BlockImage.open(volatileDisk: disk, writable)
        let reader = try BlockImage.open(volatileDisk: disk)
        let queue = try BlockQueue(writer)
        let readers = try [BlockQueue(reader), BlockQueue(reader, QueueOptions().checked())]
        let buffer = AlignedBuffer(count: 4096)
        buffer.fill(8)
        try queue.writeAndWait(from: UnsafeRawBufferPointer(buffer.bytes), at: 0)
        for queue in readers {
            XCTAssertEqual(try bytes(reader, queue), Array(buffer.bytes))
            XCTAssertThrowsError(
                try queue.writeAndWait(from: UnsafeRawBufferPointer(buffer.bytes), at: 0)
            ) { XCTAssertEqual(($0 as? BlockError)?.code, .readOnly) }
        }
        // Another's image makes it smaller: as with a file.
        try queue.resizeAndWait(to: 512)
        XCTAssertThrowsError(try readers[0].readAndWait(into: buffer.bytes, at: 0)) {
            XCTAssertEqual(($0 as? BlockError)?.code, .endOfMedium)
        }
        for queue in readers + [queue] { queue.close() }
    }
}
