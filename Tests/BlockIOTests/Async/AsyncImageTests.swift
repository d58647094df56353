import BlockIO
import BlockIOTesting
import Glibc
import Synchronization
import XCTest
@testable import TestSupport

/// The async face: content, cancellation, its executor and its end.
final class AsyncImageTests: XCTestCase {
    private func withImage(
        _ engine: EngineKind, faults: FaultInjector? = nil,
        _ body: (AsyncBlockImage, StorageTarget) async throws -> Void
    ) async throws {
        let target = try orSkip(try StorageTarget.make(.tmpfsFile, size: 4 << 20))
        defer { target.close() }
        let image = try BlockImage.open(
            target.path, OpenOptions(access: .readWrite, engine: .forced(engine)))
        let options = QueueOptions().checked(with: faults)
        let disk = try AsyncBlockImage(image, options)
        try await body(disk, target)
        await disk.close()
    }

    func testWhatIsWrittenByManyTasksIsReadBack() async throws {
        for engine in EngineKind.allCases {
            try await withImage(engine) { disk, _ in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<200 {
                        group.addTask {
                            let block = AlignedBlock(filledWith: UInt8(index))
                            let offset = UInt64(index) * 4096 + 100
                            let written = try await disk.write(from: block.readable, at: offset)
                            XCTAssertEqual(written, 4096)
                            let copy = AlignedBlock(filledWith: 0xff)
                            try await disk.read(into: copy.memory, at: offset)
                            XCTAssertTrue(
                                copy.memory.prefix(3996).allSatisfy { $0 == UInt8(index) })
                        }
                        // Neighbours overlap, so they go one after the other.
                        try await group.next()
                    }
                }
                try await disk.flush()
            }
        }
    }

    func testListsZeroesAndDiscards() async throws {
        for engine in EngineKind.allCases {
            try await withImage(engine) { disk, _ in
                let list = AlignedList(filledWith: [1, 2])
                let written = try await disk.writev(
                    list.vectors, at: 8192, durability: .forceUnitAccess)
                XCTAssertEqual(written, 8192)
                try await disk.writeZeroes(at: 12288, length: 2048, options: .forceUnitAccess)
                let copy = AlignedList(filledWith: [0xff, 0xff])
                let count = try await disk.readv(copy.vectors, at: 8192)
                XCTAssertEqual(count, 8192)
                XCTAssertTrue(copy.blocks[0].memory.allSatisfy { $0 == 1 })
                XCTAssertTrue(copy.blocks[1].memory.prefix(2048).allSatisfy { $0 == 0 })
                XCTAssertTrue(copy.blocks[1].memory.suffix(2048).allSatisfy { $0 == 2 })
                let effect = try await disk.discard(at: 8192, length: 4096)
                XCTAssertEqual(effect, .zeroes)
                try await disk.read(into: copy.blocks[0].memory, at: 8192)
                XCTAssertTrue(copy.blocks[0].memory.allSatisfy { $0 == 0 })
            }
        }
    }

    func testRateLimits() async throws {
        for engine in EngineKind.allCases {
            try await withImage(engine) { disk, _ in
                try disk.image.setRateLimits(
                    RateLimits(operations: RateLimit(500, burst: 1)))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<6 {
                        group.addTask {
                            let block = AlignedBlock(filledWith: UInt8(index))
                            let offset = UInt64(index) * 4096
                            try await disk.write(from: block.readable, at: offset)
                            try await disk.read(into: block.memory, at: offset)
                            XCTAssertTrue(block.memory.allSatisfy { $0 == UInt8(index) })
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
    }

    func testErrorsAreThrown() async throws {
        try await withImage(.ioURing) { disk, _ in
            let block = AlignedBlock(filledWith: 0)
            do throws(BlockError) {
                try await disk.read(into: block.memory, at: disk.image.size)
                XCTFail("a read behind the end succeeded")
            } catch {
                XCTAssertEqual(error.code, .outOfRange)
            }
        }
    }

    func testATaskThatPrefersTheExecutorStaysOnItsThread() async throws {
        try await withImage(.ioURing) { disk, _ in
            try await withTaskExecutorPreference(disk.executor) {
                let block = AlignedBlock(filledWith: 0)
                try await disk.read(into: block.memory, at: 0)
                let first = currentThread()
                for _ in 0..<100 {
                    try await disk.read(into: block.memory, at: 4096)
                    XCTAssertEqual(currentThread(), first)
                }
            }
        }
    }

    func testAHeldReadEndsWhenItsTaskIsCancelled() async throws {
        for engine in EngineKind.allCases {
            let faults = FaultInjector()
            faults.add(.init(.hold, operations: [.read]))
            try await withImage(engine, faults: faults) { disk, _ in
                let reading = Task {
                    let block = AlignedBlock(filledWith: 0)
                    return try await disk.read(into: block.memory, at: 0)
                }
                reading.cancel()
                do {
                    _ = try await reading.value
                    XCTFail("\(engine): a cancelled read succeeded")
                } catch {
                    XCTAssertEqual((error as? BlockError)?.code, .cancelled, "\(engine)")
                }
            }
        }
    }

    /// Each continuation is resumed exactly once: twice would trap, never would hang.
    func testReadsCancelledAtRandomAllEnd() async throws {
        let total = Int(ProcessInfo.processInfo.environment["BLOCKIO_READS"] ?? "") ?? 3000
        for engine in EngineKind.allCases {
            try await withImage(engine) { disk, _ in
                let ends = Counter()
                await withTaskGroup(of: Void.self) { group in
                    for index in 0..<total {
                        group.addTask {
                            let reading = Task {
                                let block = AlignedBlock(filledWith: 0)
                                _ = try? await disk.read(
                                    into: block.memory, at: UInt64(index % 1000) * 4096)
                                ends.increment()
                            }
                            if index % 2 == 0 {
                                if index % 4 == 0 { await Task.yield() }
                                reading.cancel()
                            }
                            await reading.value
                        }
                        if index >= 64 { await group.next() }
                    }
                }
                XCTAssertEqual(ends.value, total, "\(engine)")
            }
        }
    }

    func testCallsAfterCloseFail() async throws {
        try await withImage(.threadPool) { disk, _ in
            await disk.close()
            do throws(BlockError) {
                try await disk.flush()
                XCTFail("a closed image flushed")
            } catch {
                XCTAssertEqual(error.code, .closed)
            }
        }
    }

    func testReleaseWithoutCloseGivesBackTheImage() async throws {
        let target = try orSkip(try StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        let options = OpenOptions(access: .readWrite)
        do {
            let disk = try AsyncBlockImage(try BlockImage.open(target.path, options))
            let block = AlignedBlock(filledWith: 7)
            try await disk.write(from: block.readable, at: 0)
        }
        // The thread ends by itself, and with it go queue, image and lock.
        var reopened: BlockImage?
        for _ in 0..<3000 where reopened == nil {
            reopened = try? BlockImage.open(target.path, options)
            if reopened == nil { try await Task.sleep(for: .milliseconds(10)) }
        }
        XCTAssertNotNil(reopened)
    }
}

/// A page of memory that goes with its owner.
private final class AlignedBlock: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    var readable: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory) }

    init(filledWith byte: UInt8) {
        memory = .allocate(byteCount: 4096, alignment: 4096)
        memory.initializeMemory(as: UInt8.self, repeating: byte)
    }

    deinit { memory.deallocate() }
}

/// Blocks that lie apart, as a list.
private final class AlignedList: @unchecked Sendable {
    let blocks: [AlignedBlock]
    private let list: UnsafeMutableBufferPointer<iovec>
    var vectors: UnsafeBufferPointer<iovec> { UnsafeBufferPointer(list) }

    init(filledWith bytes: [UInt8]) {
        blocks = bytes.map(AlignedBlock.init)
        list = .allocate(capacity: blocks.count)
        _ = list.initialize(
            from: blocks.map {
                iovec(iov_base: $0.memory.baseAddress, iov_len: $0.memory.count)
            })
    }

    deinit { list.deallocate() }
}

private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    var value: Int { count.load(ordering: .relaxed) }
    func increment() { count.wrappingAdd(1, ordering: .relaxed) }
}

private func currentThread() -> UInt { UInt(pthread_self()) }
