import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// Images that become larger or smaller, by the queue's doing and by that of others.
final class ResizeTests: PipelineTestCase {
    private static func isFile(_ configuration: Configuration) -> Bool {
        !configuration.target.isBlockDevice
    }

    func testAFileBecomesLargerAndSmaller() throws {
        try forEachBench(guises: Bench.Guise.allCases, where: Self.isFile) { bench in
            let size = UInt64(bench.expected.count)
            let buffer = AlignedBuffer(count: 4096)
            try bench.queue.resizeAndWait(to: 2 * size)
            XCTAssertEqual(bench.image.size, 2 * size)
            XCTAssertEqual(self.fileSize(bench), 2 * size)
            try bench.assertMedium()
            try bench.queue.readAndWait(into: buffer.bytes, at: 2 * size - 4096)
            let zeroes = AlignedBuffer(count: 4096)
            zeroes.fill(0)
            XCTAssertTrue(sameBytes(buffer.bytes, zeroes.bytes))
            try bench.queue.writeAndWait(from: .init(buffer.bytes), at: 2 * size - 4096)

            try bench.queue.resizeAndWait(to: size)
            XCTAssertEqual(self.fileSize(bench), size)
            bench.queue.read(into: buffer.bytes, at: size - 2048)
            XCTAssertEqual(try bench.finish().map(\.failure), [.outOfRange])
            try bench.assertMedium()
        }
    }

    /// Then the last to complete need not be the last that the kernel did.
    func testTheSizeIsRightAfterResizesAtTheSameTime() throws {
        try forEachBench(guises: Bench.Guise.allCases) { bench in
            for round in 0..<100 {
                let sizes = (0..<4).map { _ in UInt64(bench.random.number(1...200) * 512) }
                if round % 2 == 0 {
                    bench.faults.add(.init(.reorder, operations: [.resize], count: 2))
                }
                bench.queue.batch { sizes.forEach { bench.queue.resize(to: $0) } }
                XCTAssertTrue(try bench.finish().allSatisfy(\.isSuccess))
                XCTAssertEqual(bench.image.size, self.fileSize(bench), "in round \(round)")
            }
        }
    }

    func testADeviceCannotBeResized() throws {
        try forEachBench(guises: Bench.Guise.allCases, where: { $0.target == .loop512 }) { bench in
            bench.queue.resize(to: 4096)
            XCTAssertEqual(try bench.finish().map(\.failure), [.unsupported])
            try bench.assertMedium()
        }
    }

    func testAFailedResizeChangesNothing() throws {
        try forEachBench { bench in
            bench.faults.add(.init(.error(ENOSPC), operations: [.resize], count: 1))
            bench.queue.resize(to: 1 << 20)
            bench.queue.resize(to: .max - 511)
            let completions = try bench.finish()
            XCTAssertEqual(completions.map(\.failure), [.system, .system])
            XCTAssertEqual(completions.map(\.errno), [ENOSPC, EINVAL])
            XCTAssertEqual(bench.image.size, UInt64(bench.expected.count))
            try bench.assertMedium()
        }
    }

    /// An image of such a size could not be opened again.
    func testASizeBetweenSectorsIsRefused() throws {
        try forEachBench(guises: Bench.Guise.allCases) { bench in
            for size: UInt64 in [1, 1000, .max] { bench.queue.resize(to: size) }
            let failures = try bench.finish().map(\.failure)
            XCTAssertEqual(failures, [.sizeNotMultiple, .sizeNotMultiple, .sizeNotMultiple])
            XCTAssertEqual(bench.queue.statistics.kernelRequests, 0)
            try bench.assertMedium()
        }
    }

    func testAFileThatSomebodyElseMadeLarger() throws {
        try forEachBench(guises: Bench.Guise.allCases, where: Self.isFile) { bench in
            let size = bench.expected.count
            XCTAssertEqual(truncate(bench.target.path, size + 8192), 0)
            let buffer = AlignedBuffer(count: 8192)
            buffer.fill(7)
            XCTAssertEqual(
                try bench.queue.writeAndWait(from: .init(buffer.bytes), at: UInt64(size)), 8192)
            XCTAssertEqual(bench.image.size, UInt64(size + 8192))
            let found = try PlainFile(bench.target.path, direct: false).contents(at: size, 8192)
            XCTAssertTrue(sameBytes(found.bytes, buffer.bytes))
            bench.queue.read(into: buffer.bytes, at: UInt64(size + 8192))
            XCTAssertEqual(try bench.finish().map(\.failure), [.outOfRange])
        }
    }

    func testAFileThatSomebodyElseMadeSmaller() throws {
        try forEachBench(guises: Bench.Guise.allCases, where: Self.isFile) { bench in
            XCTAssertEqual(truncate(bench.target.path, 8192), 0)
            let buffer = AlignedBuffer(count: 8192)
            bench.queue.read(into: buffer.bytes, at: 4096)
            let completion = try bench.finish()[0]
            XCTAssertEqual(completion.failure, .endOfMedium)
            XCTAssertEqual(completion.transferred, 4096)
            XCTAssertTrue(sameBytes(buffer.slice(0, 4096), bench.expected.slice(4096, 4096)))
        }
    }

    func testALoopDeviceThatGrows() throws {
        for sectorSize in [512, 4096] {
            for engine in EngineKind.allCases {
                let device = try orSkip(LoopDevice(size: 64 << 10, sectorSize: sectorSize))
                defer { device.close() }
                let image = try BlockImage.open(
                    device.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
                let queue = try BlockQueue(image, QueueOptions().checked())
                let buffer = AlignedBuffer(count: 700)
                buffer.fill(7)
                queue.write(from: .init(buffer.bytes), at: 80 << 10)
                queue.poll { XCTAssertEqual($0.failure, .outOfRange, "\(engine)") }
                XCTAssertEqual(queue.outstanding, 0)
                try device.resize(to: 128 << 10)
                // In the middle of blocks, so that old and new ones are read and written.
                let places: [UInt64] = [(64 << 10) - 300, (128 << 10) - 700]
                for place in places {
                    try queue.writeAndWait(from: .init(buffer.bytes), at: place)
                    let found = try PlainFile(device.path, direct: false)
                        .contents(at: Int(place), buffer.count)
                    XCTAssertTrue(sameBytes(found.bytes, buffer.bytes), "\(engine) at \(place)")
                }
                XCTAssertEqual(image.size, 128 << 10)
                queue.close()
            }
        }
    }

    private func fileSize(_ bench: Bench) -> UInt64 {
        var status = stat()
        return stat(bench.target.path, &status) == 0 ? UInt64(status.st_size) : 0
    }
}
