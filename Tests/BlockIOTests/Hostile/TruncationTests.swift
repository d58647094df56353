import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// A file that others cut off: under an image, or under the loop device that is the image.
final class TruncationTests: HostileTestCase {
    private static let size = 4 << 20
    private static let requests = 64

    /// Whatever becomes of the requests, each ends once, and afterwards the device works.
    func testBackingFileOfALoopDeviceIsCutInFlight() throws {
        let directory = try TemporaryDirectory(in: try ScratchSpace.directoryWithDirectIO())
        defer { directory.close() }
        for setup in EngineSetup.all {
            let path = directory.path("\(setup.engine)-\(setup.caching)")
            try makeFile(path)
            let loop = try orSkip(LoopDevice(backingFile: path))
            defer { loop.close() }
            try floodWhileCutting(path, image: loop.path, setup)
        }
    }

    func testFileIsCutInFlight() throws {
        for kind in [StorageTarget.Kind.tmpfsFile, .ext4File] {
            for setup in EngineSetup.all {
                let target = try orSkip(StorageTarget.make(kind, size: Self.size))
                defer { target.close() }
                try floodWhileCutting(target.path, image: target.path, setup)
            }
        }
    }

    private func floodWhileCutting(_ file: String, image path: String, _ setup: EngineSetup) throws
    {
        let image = try setup.open(path)
        let queue = try BlockQueue(image, QueueOptions(depth: 32))
        let cutting = Disturbance { round in
            let sizes = [0, Self.size, Self.size / 2, Self.size, Self.size / 3, Self.size]
            _ = truncate(file, sizes[round % sizes.count])
        }
        var rounds = 0
        var successes = 0
        while rounds < 20 || (cutting.count < 30 && rounds < 10_000) {
            let traffic = RandomTraffic(queue, count: Self.requests, size: Self.size)
            traffic.submit(Self.requests)
            try traffic.collect(all: true)
            traffic.assertComplete("\(setup)")
            // The kernel says ENOSPC for a device whose file has ended, or EIO.
            XCTAssertTrue(
                Set(traffic.failures.keys).isSubset(of: [.system, .endOfMedium]),
                "\(setup): \(traffic.failures)")
            XCTAssertTrue(
                traffic.errnos.isSubset(of: [EIO, ENOSPC]), "\(setup): \(traffic.errnos)")
            successes += traffic.successes
            rounds += 1
        }
        cutting.stop()
        XCTAssertGreaterThan(successes, 0, "\(setup)")
        try SystemCall.check(SystemCall.result(truncate(file, Self.size)), "truncate")
        try checkWorks(queue, setup)
    }

    private func checkWorks(_ queue: BlockQueue, _ setup: EngineSetup) throws {
        let written = AlignedBuffer(count: 65536)
        let read = AlignedBuffer(count: 65536)
        var random = SplitMix64(seed: Seed.value)
        written.fill(using: &random)
        let last = UInt64(Self.size - 65536)
        XCTAssertNoThrow(try queue.writeAndWait(from: .init(written.bytes), at: last), "\(setup)")
        XCTAssertNoThrow(try queue.readAndWait(into: read.bytes, at: last), "\(setup)")
        XCTAssertTrue(sameBytes(written.bytes, read.bytes), "\(setup)")
    }

    /// Behind the end, over it and before it; at a place where no block ends, too.
    func testReadsOfACutFile() throws {
        for kind in [StorageTarget.Kind.tmpfsFile, .ext4File] {
            for setup in EngineSetup.all {
                for end in [Self.size / 2, Self.size / 2 + 1000] {
                    let target = try orSkip(StorageTarget.make(kind, size: Self.size))
                    defer { target.close() }
                    let image = try setup.open(target.path)
                    let queue = try BlockQueue(image)
                    try SystemCall.check(
                        SystemCall.result(truncate(target.path, end)), "truncate")
                    try checkReads(queue, end: end, "\(setup), \(kind), \(end)")
                }
            }
        }
    }

    private func checkReads(_ queue: BlockQueue, end: Int, _ what: String) throws {
        let buffer = AlignedBuffer(count: 65536)
        let half = Self.size / 2
        let block = max(1, queue.image.alignment.offset)
        let partial = UInt64(8192 + (end - half) / block * block)
        let places = [half - 65536, half - 8192, half + 8192, Self.size - 65536]
        let expected: [(BlockError.Code?, UInt64)] = [
            (nil, 65536), (.endOfMedium, partial), (.endOfMedium, 0), (.endOfMedium, 0),
        ]
        for (place, (failure, transferred)) in zip(places, expected) {
            buffer.fill(AlignedBuffer.guardByte)
            queue.read(into: buffer.bytes, at: UInt64(place))
            try queue.finish { completion in
                XCTAssertEqual(completion.failure, failure, "\(what), read at \(place)")
                XCTAssertEqual(completion.transferred, transferred, "\(what), read at \(place)")
            }
            XCTAssertTrue(buffer.guardsAreIntact)
        }
        // What is before the end still is what it was.
        try queue.readAndWait(into: buffer.slice(0, 4096), at: UInt64(half - 4096))
        XCTAssertTrue(buffer.slice(0, 4096).allSatisfy { $0 == 0 }, what)
    }

    private func makeFile(_ path: String) throws {
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), "open \(path)"))
        try file.writeZeros(size: Self.size)
    }
}
