import BlockIO
import XCTest
@testable import TestSupport

/// What is asked of io_uring alone: it is refused where it does not apply, and works where it does.
final class RingOptionTests: XCTestCase {
    private static let size = 1 << 20

    func testTheyAreRefusedOnOtherEngines() throws {
        let target = try orSkip(StorageTarget.make(.ext4File, size: Self.size))
        defer { target.close() }
        for engine in [EngineKind.linuxAIO, .threadPool] {
            let image = try BlockImage.open(
                target.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
            for ring in [RingOptions(pollsDevice: true), RingOptions(submissionThreadIdle: 1)] {
                let error = XCTAssertRefused(.invalidOption) {
                    try BlockQueue(image, QueueOptions(hasDescriptor: false, ring: ring))
                }
                XCTAssertContains(error?.detail, "the engine of the image is \(engine)")
            }
            // What was refused does not count as the image's one queue.
            let queue = try BlockQueue(image)
            XCTAssertRefused(.unsupported) { try queue.registerMemory([]) }
        }
    }

    func testAnIdleTimeOutsideItsRangeIsRefused() throws {
        let image = try Self.image(.ext4File)
        for idle in [0, -1, 60_001, .max] {
            let ring = RingOptions(submissionThreadIdle: idle)
            XCTAssertRefused(.invalidOption) {
                try BlockQueue(image.image, QueueOptions(ring: ring))
            }
        }
    }

    /// There is no device here that has polling queues.
    func testADeviceThatCannotBePolledIsNamed() throws {
        let reasons: [(StorageTarget.Kind, String)] = [
            (.tmpfsFile, "is not on a block device"), (.loop512, "has no polling queues"),
            (.ext4File, "has no polling queues"),
        ]
        for (kind, reason) in reasons {
            let error = XCTAssertRefused(.invalidOption) {
                try BlockQueue(
                    Self.image(kind).image,
                    QueueOptions(hasDescriptor: false, ring: RingOptions(pollsDevice: true)))
            }
            XCTAssertContains(error?.detail, reason)
        }
    }

    func testPollingNeedsAQueueWithoutADescriptorAndADirectImage() throws {
        let ring = RingOptions(pollsDevice: true)
        var error = XCTAssertRefused(.invalidOption) {
            try BlockQueue(Self.image(.loop512).image, QueueOptions(ring: ring))
        }
        XCTAssertContains(error?.detail, "hasDescriptor")
        error = XCTAssertRefused(.invalidOption) {
            try BlockQueue(
                Self.image(.loop512, .buffered).image,
                QueueOptions(hasDescriptor: false, ring: ring))
        }
        XCTAssertContains(error?.detail, "direct")
    }

    // MARK: A thread of the kernel submits

    func testASubmissionThreadServesEveryKindOfRequest() throws {
        for threading in [QueueThreading.owned, .shared] {
            for hasDescriptor in [true, false] {
                let (image, target) = try Self.image(.loop512)
                defer { target.close() }
                let queue = try BlockQueue(
                    image,
                    QueueOptions(
                        threading: threading, depth: 8, hasDescriptor: hasDescriptor,
                        ring: RingOptions(submissionThreadIdle: 2)))
                let written = AlignedBuffer(count: 65536)
                let read = AlignedBuffer(count: 65536)
                written.fill(0x5A)
                // More than the ring has room for.
                queue.batch {
                    for index in 0..<64 {
                        queue.write(
                            from: .init(written.slice(index * 1024, 1024)), at: UInt64(index * 1024)
                        )
                    }
                }
                try queue.finish { XCTAssertTrue($0.isSuccess) }
                try queue.flushAndWait()
                // The thread has gone to sleep meanwhile, and is woken.
                usleep(20_000)
                try queue.readAndWait(into: read.bytes, at: 0)
                XCTAssertTrue(sameBytes(written.bytes, read.bytes))
                _ = try queue.discardAndWait(at: 0, length: 4096)
                try queue.writeZeroesAndWait(at: 4096, length: 4096)
                try queue.readAndWait(into: read.slice(0, 8192), at: 0)
                XCTAssertTrue(read.slice(4096, 4096).allSatisfy { $0 == 0 })
                if hasDescriptor {
                    let events = try EventSet(queue.descriptor)
                    queue.read(into: read.bytes, at: 0)
                    var delivered = 0
                    while delivered == 0, events.wait() != nil { delivered = queue.poll() }
                    XCTAssertEqual(delivered, 1)
                }
                queue.remote.close()
                while !queue.isClosed { queue.poll(minimum: 1, timeout: Patience.limit) }
            }
        }
    }

    // MARK: Registered memory

    /// Requests in registered memory, beside it, across its edge and in several parts of it.
    func testTransfersWithRegisteredMemory() throws {
        let (image, target) = try Self.image(.loop512)
        defer { target.close() }
        let queue = try BlockQueue(image)
        let memory = AlignedBuffer(count: 16 * 4096)
        let other = AlignedBuffer(count: 16 * 4096)
        try queue.registerMemory([memory.slice(8 * 4096, 4 * 4096), memory.slice(0, 4 * 4096)])
        var random = SplitMix64(seed: Seed.value)
        for round in 0..<200 {
            let buffer = round % 3 == 0 ? other : memory
            buffer.fill(UInt8(truncatingIfNeeded: round))
            let count = Int(random.next() % 4) + 1
            let list = (0..<count).map { index in
                let page = Int(random.next() % 15)
                // Elements behind the first can be empty.
                let blocks = Int(random.next() % 16) + (index == 0 ? 1 : 0)
                let part = buffer.slice(page * 4096, 512 * blocks)
                return iovec(iov_base: part.baseAddress, iov_len: part.count)
            }
            let total = list.reduce(0) { $0 + $1.iov_len }
            let check = AlignedBuffer(count: total)
            _ = try list.withUnsafeBufferPointer { try queue.writevAndWait($0, at: 0) }
            buffer.fill(0xEE)
            try queue.readAndWait(into: check.bytes, at: 0)
            XCTAssertTrue(check.bytes.allSatisfy { $0 == UInt8(truncatingIfNeeded: round) })
            _ = try list.withUnsafeBufferPointer { try queue.readvAndWait($0, at: 0) }
            for part in list {
                let bytes = UnsafeRawBufferPointer(start: part.iov_base, count: part.iov_len)
                XCTAssertTrue(bytes.allSatisfy { $0 == UInt8(truncatingIfNeeded: round) })
            }
            try queue.flushAndWait()
        }
    }

    /// Registered memory is what was mapped then: new memory at the same address is not what a transfer
    /// uses, which shows that it used the other.
    func testTransfersUseTheRegisteredMemory() throws {
        let (image, target) = try Self.image(.loop512)
        defer { target.close() }
        let queue = try BlockQueue(image)
        let source = AlignedBuffer(count: 8192)
        source.fill(0x77)
        try queue.writeAndWait(from: .init(source.bytes), at: 0)
        let length = 4 * 4096
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        let memory = try XCTUnwrap(mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0))
        defer { munmap(memory, length) }
        try queue.registerMemory([UnsafeMutableRawBufferPointer(start: memory, count: length)])
        mmap(memory, length, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1, 0)
        let page = UnsafeMutableRawBufferPointer(start: memory, count: 4096)
        try queue.readAndWait(into: page, at: 0)
        XCTAssertTrue(page.allSatisfy { $0 == 0 }, "the transfer has not used registered memory")
        let list = [0, 2].map { iovec(iov_base: memory + $0 * 4096, iov_len: 4096) }
        _ = try list.withUnsafeBufferPointer { try queue.readvAndWait($0, at: 0) }
        XCTAssertEqual(page.allSatisfy { $0 == 0 }, try Self.hasVectoredRegisteredMemory())
        // Without registration the memory at the address counts.
        try queue.registerMemory([])
        try queue.readAndWait(into: page, at: 0)
        XCTAssertTrue(page.allSatisfy { $0 == 0x77 })
    }

    func testMemoryThatCannotBeRegisteredIsRefused() throws {
        let (image, target) = try Self.image(.loop512)
        defer { target.close() }
        let queue = try BlockQueue(image)
        let memory = AlignedBuffer(count: 8192)
        XCTAssertRefused(.invalidOption) {
            try queue.registerMemory([memory.slice(0, 4097), memory.slice(4096, 4096)])
        }
        let length = 4096
        let unmapped = try XCTUnwrap(
            mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        munmap(unmapped, length)
        XCTAssertRefused(.engineUnavailable, errno: EFAULT) {
            try queue.registerMemory([.init(start: unmapped, count: length)])
        }
        queue.read(into: memory.bytes, at: 0)
        XCTAssertRefused(.invalidOption) { try queue.registerMemory([]) }
        try queue.finish()
        try queue.readAndWait(into: memory.bytes, at: 0)
    }

    private static func hasVectoredRegisteredMemory() throws -> Bool {
        var name = utsname()
        try SystemCall.check(SystemCall.result(uname(&name)), "uname")
        let release = withUnsafeBytes(of: &name.release) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
        return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 15)
    }

    private static func image(
        _ kind: StorageTarget.Kind, _ caching: OpenOptions.Caching = .direct
    ) throws -> (image: BlockImage, target: StorageTarget) {
        let target = try orSkip(StorageTarget.make(kind, size: size))
        return (
            try BlockImage.open(
                target.path,
                OpenOptions(access: .readWrite, caching: caching, engine: .forced(.ioURing))),
            target
        )
    }
}
