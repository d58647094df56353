import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// Files whose size is not a multiple of the sector size: the image is rounded up, and the file stays as
/// long as it is.
final class RoundedSizeTests: ConformanceTestCase {
    private static let sizes = [1, 511, 513, 4095, 4097, (1 << 20) + 1]

    /// A file of an odd size, the image on it and what the image must hold.
    private final class Odd {
        let path: String
        let size: Int
        let image: BlockImage
        let queue: BlockQueue
        let faults = FaultInjector(seed: Seed.value)
        /// The file's bytes, and zeroes up to the image's end.
        let expected: AlignedBuffer
        var random = SplitMix64(seed: Seed.value)

        init(
            _ configuration: Configuration, _ target: StorageTarget, size: Int,
            _ alignment: HostAlignment?
        ) throws {
            self.size = size
            path = target.path
            expected = AlignedBuffer(count: (size + 511) / 512 * 512)
            expected.fill(0)
            RandomBytes.fill(expected.slice(0, size), using: &random)
            try SystemCall.check(SystemCall.result(truncate(path, 0)), "truncate")
            try PlainFile(path, direct: false).write(expected.slice(0, size), at: 0)
            image = try BlockImage.open(
                path,
                OpenOptions(
                    access: .readWrite, caching: configuration.caching,
                    engine: .forced(configuration.engine), alignment: alignment))
            queue = try configuration.queue(
                on: image, QueueOptions().checked(with: faults))
        }

        /// The places at and around the end that requests begin at.
        var starts: [Int] {
            [0, 1, size - 513, size - 512, size - 2, size - 1, size, size + 1, expected.count - 1]
                .filter { (0..<expected.count).contains($0) }
        }

        var fileSize: Int {
            var status = stat()
            return stat(path, &status) == 0 ? Int(status.st_size) : -1
        }

        /// What became of the one request that `submit` makes.
        func run(_ submit: (BlockQueue) -> Void) throws -> BlockCompletion {
            submit(queue)
            var found: BlockCompletion?
            try queue.finish { found = $0 }
            return try XCTUnwrap(found)
        }

        /// The file has its size and the bytes that it must have.
        func check(_ message: String, line: UInt = #line) throws {
            XCTAssertEqual(fileSize, size, message, line: line)
            XCTAssertEqual(Int(image.fileSize), size, message, line: line)
            XCTAssertEqual(Int(image.size), expected.count, message, line: line)
            let found = try PlainFile(path, direct: false).contents(at: 0, size)
            XCTAssertTrue(
                sameBytes(found.bytes, expected.slice(0, size)), "content \(message)", line: line)
        }
    }

    /// Each size on each file system, engine and caching, with an alignment of a sector and with one of a
    /// page. On ext4, where each file waits for a disk, queues have one kind of threading.
    private func forEachOddFile(_ check: (Odd) throws -> Void) throws {
        let isWanted: (Configuration) -> Bool = {
            $0.target == .tmpfsFile || $0.target == .ext4File && $0.threading == .owned
        }
        try forEachTarget(size: 2 << 20, where: isWanted) { configuration, target in
            let isDirect = configuration.caching == .direct
            let alignments: [HostAlignment?] =
                isDirect ? [512, 4096].map { HostAlignment(memory: $0, offset: $0) } : [nil]
            for size in Self.sizes {
                for alignment in alignments {
                    let odd = try Odd(configuration, target, size: size, alignment)
                    try check(odd)
                    XCTAssertEqual(odd.queue.outstanding, 0, "\(size)")
                    odd.queue.close()
                }
            }
        }
    }

    func testReadsBeyondTheFileAreZeroes() throws {
        try forEachOddFile { odd in
            XCTAssertTrue(
                "\(odd.image.engineReport)".contains("\(odd.size) bytes, is not a multiple"))
            for start in odd.starts {
                for end in [odd.expected.count, odd.size + 1, odd.size] where end > start {
                    let list = ScatterList(pieces: 3, bytes: end - start, memoryAlignment: 4096)
                    let first = (end - start) / 2
                    list.layOut([first, 0, end - start - first], using: &odd.random)
                    let completion = try odd.run { $0.readv(list.vectors, at: UInt64(start)) }
                    XCTAssertNil(completion.failure, "[\(start), \(end)) of \(odd.size)")
                    XCTAssertEqual(Int(completion.transferred), end - start)
                    XCTAssertEqual(Int(completion.length), end - start)
                    XCTAssertTrue(
                        list.holds(odd.expected.slice(start, end - start)),
                        "[\(start), \(end)) of \(odd.size)")
                    XCTAssertTrue(list.guardsAreIntact)
                }
            }
            let outside = AlignedBuffer(count: 512)
            let end = odd.image.size
            for (offset, length) in [(end, 1), (end - 1, 2), (end + 512, 1)] {
                let piece = outside.slice(0, length)
                let completion = try odd.run { $0.read(into: piece, at: offset) }
                XCTAssertEqual(completion.failure, .outOfRange)
            }
            XCTAssertTrue(outside.isUntouched)
            try odd.check("after reads")
        }
    }

    func testWritesBeyondTheFileAreErrorsAndMoveNothing() throws {
        try forEachOddFile { odd in
            let bytes = AlignedBuffer(count: odd.expected.count)
            bytes.fill(using: &odd.random)
            for start in odd.starts {
                for durability in [WriteDurability.volatile, .forceUnitAccess] {
                    let source = bytes.slice(start, odd.expected.count - start)
                    let completion = try odd.run {
                        $0.write(from: .init(source), at: UInt64(start), durability: durability)
                    }
                    XCTAssertEqual(completion.failure, .endOfMedium)
                    XCTAssertEqual(completion.errno, ENOSPC)
                    XCTAssertEqual(completion.transferred, 0)
                    XCTAssertEqual(Int(completion.length), source.count)
                    XCTAssertThrowsError(try completion.get(on: odd.image)) {
                        XCTAssertTrue("\($0)".contains("beyond the end of the file"), "\($0)")
                    }
                    try odd.check("after a write at \(start)")
                }
            }
            // Up to the very end there is room.
            for start in odd.starts where start < odd.size {
                for durability in [WriteDurability.volatile, .forceUnitAccess] {
                    let place = odd.expected.slice(start, odd.size - start)
                    RandomBytes.fill(place, using: &odd.random)
                    let completion = try odd.run {
                        $0.write(from: .init(place), at: UInt64(start), durability: durability)
                    }
                    XCTAssertNil(completion.failure)
                    try odd.check("after a write from \(start) to the end")
                }
            }
            XCTAssertNil(try odd.run { $0.flush() }.failure)
        }
    }

    func testZeroesAndDiscardsBeyondTheFileKeepItsSize() throws {
        try forEachOddFile { odd in
            for start in odd.starts.reversed() {
                for isByBuffers in [false, true] {
                    let length = odd.expected.count - start
                    if start < odd.size {
                        RandomBytes.fill(odd.expected.slice(0, odd.size), using: &odd.random)
                        let all = odd.expected.slice(0, odd.size)
                        XCTAssertNil(try odd.run { $0.write(from: .init(all), at: 0) }.failure)
                    }
                    if isByBuffers {
                        odd.faults.add(
                            .init(.error(EOPNOTSUPP), operations: [.writeZeroes], count: 2))
                    }
                    memset(odd.expected.slice(start, length).baseAddress!, 0, length)
                    let completion = try odd.run {
                        $0.writeZeroes(at: UInt64(start), length: UInt64(length))
                    }
                    XCTAssertNil(completion.failure)
                    XCTAssertEqual(Int(completion.transferred), length)
                    XCTAssertEqual(completion.effect, .zeroes)
                    try odd.check("after zeroes from \(start), by buffers: \(isByBuffers)")
                }
            }
            memset(odd.expected.bytes.baseAddress!, 0, odd.expected.count)
            let all = odd.image.size
            XCTAssertNil(try odd.run { $0.writeZeroes(at: 0, length: all) }.failure)
            for start in odd.starts {
                let completion = try odd.run {
                    $0.discard(at: UInt64(start), length: all - UInt64(start))
                }
                XCTAssertNil(completion.failure)
                XCTAssertEqual(Int(completion.length), odd.expected.count - start)
                try odd.check("after a discard from \(start)")
            }
        }
    }

    /// The bytes behind the last whole block go through the page cache. When a direct write of the same
    /// page ends meanwhile, the kernel counts a write-back as failed, and no flush succeeds any more.
    func testWritesBehindTheLastWholeBlockDoNotMeetDirectOnes() throws {
        try forEachOddFile { odd in
            let tail = odd.size / 512 * 512
            let first = max(0, tail - 4096)
            let last = odd.expected.slice(tail, odd.size - tail)
            for round in 0..<6 {
                RandomBytes.fill(odd.expected.slice(first, odd.size - first), using: &odd.random)
                func writeBlocks() {
                    for start in stride(from: first, to: tail, by: 512) {
                        let block = odd.expected.slice(start, 512)
                        odd.queue.write(from: .init(block), at: UInt64(start))
                    }
                }
                odd.queue.batch {
                    writeBlocks()
                    if round % 2 == 0 {
                        odd.queue.write(from: .init(last), at: UInt64(tail))
                    } else {
                        odd.faults.add(
                            .init(.error(EOPNOTSUPP), operations: [.writeZeroes], count: 2))
                        memset(last.baseAddress!, 0, last.count)
                        odd.queue.writeZeroes(at: UInt64(tail), length: UInt64(last.count))
                    }
                    writeBlocks()
                }
                try odd.queue.finish { XCTAssertNil($0.failure) }
                XCTAssertNil(try odd.run { $0.flush() }.failure, "round \(round) of \(odd.size)")
                try odd.check("after round \(round)")
            }
        }
    }

    /// Also where nothing of the list is the kernel's business.
    func testMemoryThatIsNotThereIsAnErrorBeyondTheFileToo() throws {
        try forEachOddFile { odd in
            for start in [0, odd.size - 1, odd.size] where start < odd.expected.count {
                let list = [iovec(iov_base: nil, iov_len: odd.expected.count - start)]
                let completion = try list.withUnsafeBufferPointer { list in
                    try odd.run { $0.readv(list, at: UInt64(start)) }
                }
                XCTAssertEqual(completion.failure, .system, "from \(start) of \(odd.size)")
                XCTAssertEqual(completion.errno, EFAULT)
            }
        }
    }

    /// Of a discard, the bytes beyond the file count for as much as the others.
    func testADiscardThatDidNothingHasMovedNothing() throws {
        try forEachOddFile { odd in
            odd.faults.add(.init(.error(EOPNOTSUPP), operations: [.discard], count: 1))
            let completion = try odd.run { $0.discard(at: 0, length: odd.image.size) }
            XCTAssertNil(completion.failure)
            XCTAssertEqual(completion.effect, .oldData)
            XCTAssertEqual(completion.transferred, 0)
            try odd.check("after a discard that did nothing")
        }
    }

    /// A discard beyond the file that waits for a resize is one inside it then.
    func testADiscardThatFailsAfterAResizeHasNoEffect() throws {
        try forEachOddFile { odd in
            odd.faults.add(.init(.error(EIO), operations: [.discard], count: 1))
            let end = odd.image.size
            odd.queue.batch {
                odd.queue.resize(to: end, userData: 1)
                odd.queue.discard(
                    at: UInt64(odd.size), length: end - UInt64(odd.size), userData: 2)
            }
            try odd.queue.finish {
                guard $0.userData == 2 else { return }
                XCTAssertEqual($0.failure, .system)
                XCTAssertEqual($0.effect, .unknown)
            }
        }
    }

    /// Once the file fills its last block, that is a block like any other: after a resize, after one that
    /// the request had to wait for, and when others have made the file longer.
    func testALongerFileFillsItsLastBlock() throws {
        try forEachOddFile { odd in
            let end = odd.image.size
            let last = AlignedBuffer(count: 512)
            last.fill(using: &odd.random)
            let found = AlignedBuffer(count: 512)
            odd.queue.batch {
                odd.queue.resize(to: end, userData: 1)
                odd.queue.write(from: .init(last.bytes), at: end - 512, userData: 2)
                odd.queue.writeZeroes(at: end - 512, length: 100, userData: 3)
            }
            var failures: [BlockError.Code?] = []
            try odd.queue.finish {
                failures.append($0.failure)
                XCTAssertEqual($0.errno, 0)
            }
            XCTAssertEqual(failures, [nil, nil, nil])
            XCTAssertEqual(odd.fileSize, Int(end))
            XCTAssertEqual(odd.image.fileSize, end)

            XCTAssertEqual(truncate(odd.path, Int(end) + 5), 0)
            XCTAssertNil(try odd.run { $0.read(into: found.bytes, at: end) }.failure)
            XCTAssertEqual(odd.image.size, end + 512)
            XCTAssertTrue(found.bytes.allSatisfy { $0 == 0 })
            XCTAssertEqual(
                try odd.run { $0.write(from: .init(last.bytes), at: end) }.failure, .endOfMedium)
            XCTAssertEqual(truncate(odd.path, Int(end) + 512), 0)
            XCTAssertNil(try odd.run { $0.write(from: .init(last.bytes), at: end) }.failure)
            XCTAssertNil(try odd.run { $0.read(into: found.bytes, at: end) }.failure)
            XCTAssertTrue(sameBytes(last.bytes, found.bytes))
            XCTAssertEqual(odd.fileSize, Int(end) + 512)
        }
    }

    func testTheRoundingIsAnOption() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: (1 << 20) + 512))
        defer { target.close() }
        for size in [1024, 4096, 65536] {
            let image = try BlockImage.open(target.path, OpenOptions(logicalBlockSize: size))
            XCTAssertEqual(Int(image.size), (1 << 20) + size)
            XCTAssertEqual(Int(image.fileSize), (1 << 20) + 512)
            XCTAssertEqual(image.engineReport.notes.count, 1)
            XCTAssertThrowsError(
                try BlockImage.open(
                    target.path, OpenOptions(logicalBlockSize: size, roundsUpSize: false))
            ) { XCTAssertEqual(($0 as? BlockError)?.code, .sizeNotMultiple) }
        }
        let image = try BlockImage.open(target.path)
        XCTAssertEqual(Int(image.size), (1 << 20) + 512)
        XCTAssertEqual(image.engineReport.notes, [])
    }
}
