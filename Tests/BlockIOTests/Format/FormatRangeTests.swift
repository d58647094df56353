import BlockIO
import BlockIOTesting
import XCTest
@testable import TestSupport

/// Discards, zeroes, resizes and durable writes of an image with a format.
final class FormatRangeTests: FormatTestCase {
    private let chunk = Stripes.chunk

    func testZeroesAndDiscardsGoToTheFilesThatHaveTheBytes() throws {
        try forEachBench { bench in
            let expected = bench.content
            let zeroed = (chunk - 700)..<(3 * chunk + 100)
            let zero = try bench.complete {
                $0.writeZeroes(at: UInt64(zeroed.lowerBound), length: UInt64(zeroed.count))
            }
            XCTAssertNil(zero.failure)
            XCTAssertEqual(zero.transferred, UInt64(zeroed.count))
            XCTAssertEqual(zero.effect, .zeroes)
            for index in zeroed { expected.bytes[index] = 0 }
            try bench.assertHolds(expected)

            let discard = try bench.complete {
                $0.discard(at: UInt64(10 * chunk), length: UInt64(20 * chunk))
            }
            XCTAssertNil(discard.failure)
            XCTAssertEqual(bench.queue.statistics.discards.operations, 1)
            let rest = AlignedBuffer(count: chunk)
            XCTAssertNil(
                try bench.complete { $0.read(into: rest.bytes, at: UInt64(9 * chunk)) }.failure)
            XCTAssertTrue(sameBytes(rest.bytes, expected.slice(9 * chunk, chunk)))
            if bench.configuration.target == .tmpfsFile {
                XCTAssertEqual(discard.effect, .zeroes)
                XCTAssertEqual(discard.transferred, discard.length)
            }
        }
    }

    func testChunksThatAreNowhereReadAsZeroes() throws {
        try forEachBench { bench in
            try bench.stripes.write(Stripes.Entry.nowhere, of: 1)
            try bench.stripes.write(Stripes.Entry.nowhere, of: 2)
            for index in chunk..<3 * chunk { bench.content.bytes[index] = 0 }
            try bench.assertHolds(bench.content)
            let moved = bench.queue.statistics.kernelRequests
            let buffer = AlignedBuffer(count: chunk)
            XCTAssertNil(
                try bench.complete { $0.read(into: buffer.bytes, at: UInt64(chunk)) }.failure)
            XCTAssertEqual(bench.queue.statistics.kernelRequests, moved)
            let discard = try bench.complete { $0.discard(at: UInt64(chunk), length: 512) }
            XCTAssertEqual(discard.effect, .zeroes)
            let write = try bench.complete {
                $0.write(from: .init(buffer.bytes), at: UInt64(chunk))
            }
            XCTAssertEqual(write.failure, .unsupported)
        }
    }

    /// Memory in many pieces, over zeroes and over both files.
    func testListsAreCutWhereChunksEnd() throws {
        try forEachBench { bench in
            try bench.stripes.write(Stripes.Entry.nowhere, of: 2)
            for index in 2 * chunk..<3 * chunk { bench.content.bytes[index] = 0 }
            let list = ScatterList(pieces: 60, bytes: 6 * chunk, memoryAlignment: 1)
            for _ in 0..<50 {
                var lengths: [Int] = []
                var left = bench.random.number(1...5 * chunk)
                let total = left
                while left > 0 && lengths.count < 59 {
                    let next = bench.random.number(0...min(left, 700))
                    lengths.append(next)
                    left -= next
                }
                lengths.append(left)
                list.layOut(lengths, using: &bench.random)
                let place = bench.random.number(0...bench.content.count - total)
                let found = try bench.complete { $0.readv(list.vectors, at: UInt64(place)) }
                XCTAssertNil(found.failure)
                XCTAssertTrue(list.holds(bench.content.slice(place, total)), "\(total) at \(place)")
                XCTAssertTrue(list.guardsAreIntact)
            }
        }
    }

    func testResizesGoThroughTheFormat() throws {
        try forEachBench { bench in
            let size = bench.image.size
            let half = try bench.complete { $0.resize(to: size / 2) }
            XCTAssertNil(half.failure)
            XCTAssertEqual(bench.image.size, size / 2)
            let buffer = AlignedBuffer(count: 512)
            let beyond = try bench.complete { $0.read(into: buffer.bytes, at: size / 2) }
            XCTAssertEqual(beyond.failure, .outOfRange)
            XCTAssertNil(try bench.complete { $0.resize(to: size) }.failure)
            XCTAssertNil(try bench.complete { $0.resize(to: 0) }.failure)
            XCTAssertEqual(bench.image.size, 0)
            XCTAssertNil(try bench.complete { $0.resize(to: size) }.failure)
            try bench.assertHolds(bench.content)
            let more = try bench.complete { $0.resize(to: 2 * size) }
            XCTAssertEqual(more.failure, .unsupported)
            XCTAssertEqual(try bench.complete { $0.resize(to: 100) }.failure, .sizeNotMultiple)
            XCTAssertEqual(bench.image.size, size)
        }
    }

    /// A resize waits for what changes the image, and what comes later waits for it.
    func testAResizeHasTheImageForItself() throws {
        try forEachBench { bench in
            let queue = bench.queue
            let buffer = AlignedBuffer(count: 3 * chunk)
            try bench.assertHolds(bench.content)
            let hold = bench.faults.add(.init(.hold, operations: [.write]))
            queue.write(from: .init(buffer.bytes), at: 0, userData: 1)
            queue.resize(to: bench.image.size / 2, userData: 2)
            queue.write(from: .init(buffer.bytes), at: bench.image.size / 2, userData: 3)
            queue.read(into: buffer.bytes, at: 4096, userData: 4)
            var order: [UInt] = []
            var failures: [UInt: BlockError.Code] = [:]
            try queue.pollForOne { order.append($0.userData) }
            XCTAssertEqual(order, [4])
            bench.faults.remove(hold)
            bench.faults.release()
            try queue.finish {
                order.append($0.userData)
                failures[$0.userData] = $0.failure
            }
            XCTAssertEqual(order, [4, 1, 2, 3])
            XCTAssertEqual(failures, [3: .outOfRange])
        }
    }

    func testDurableWritesAreDurableInEveryFile() throws {
        try forEachBench { bench in
            try bench.assertHolds(bench.content)
            let before = bench.queue.statistics.kernelRequests
            let bytes = AlignedBuffer(count: 2 * chunk)
            let log = bench.faults.add(.init(.error(EIO), operations: [.flush]))
            let failed = try bench.complete {
                $0.write(from: .init(bytes.bytes), at: 0, durability: .forceUnitAccess)
            }
            // The buffered file has no durable write of its own that would tell of all failures.
            XCTAssertEqual(failed.failure, .system)
            XCTAssertGreaterThan(bench.queue.statistics.kernelRequests, before)
            XCTAssertEqual(bench.queue.statistics.durableWrites.errors, 1)
            bench.faults.remove(log)
        }
    }

    func testDurableZeroesAreDurableInEveryFile() throws {
        try forEachBench { bench in
            let length = UInt64(2 * chunk)
            let zeroed = try bench.complete {
                $0.writeZeroes(at: 0, length: length, options: .forceUnitAccess)
            }
            XCTAssertNil(zeroed.failure)
            memset(bench.content.bytes.baseAddress!, 0, 2 * chunk)
            try bench.assertHolds(bench.content)
            bench.faults.add(.init(.error(EIO), operations: [.flush]))
            XCTAssertNil(try bench.complete { $0.writeZeroes(at: 0, length: length) }.failure)
            let failed = try bench.complete {
                $0.writeZeroes(at: 0, length: length, options: .forceUnitAccess)
            }
            XCTAssertEqual(failed.failure, .system)
            XCTAssertEqual(failed.errno, EIO)
        }
    }

    /// A child without memory looks at no list: that of an earlier request is its caller's again.
    func testZeroesThatAreWrittenNeedNoList() throws {
        let faults = FaultInjector(seed: Seed.value)
        faults.add(.init(.error(EOPNOTSUPP), operations: [.writeZeroes]))
        try forEachImage(
            options: QueueOptions().checked(with: faults),
            {
                HostileFormat([$0]) { question in
                    question.operation == .flush
                        ? .done
                        : .bytes(file: 0, at: FilePosition(question.offset.byte), count: .max)
                }
            }
        ) { queue in
            let buffer = AlignedBuffer(count: 8192)
            let list = UnsafeMutableBufferPointer<iovec>.allocate(capacity: 2)
            defer { list.deallocate() }
            func fill() {
                for index in 0..<2 {
                    let part = buffer.slice(index * 4096, 4096)
                    list[index] = iovec(iov_base: part.baseAddress, iov_len: part.count)
                }
            }
            fill()
            buffer.bytes.initializeMemory(as: UInt8.self, repeating: 0xff)
            try queue.writevAndWait(.init(list), at: 0)
            list.update(repeating: iovec(iov_base: nil, iov_len: 4096))
            try queue.writeZeroesAndWait(at: 0, length: 8192)
            fill()
            try queue.readvAndWait(.init(list), at: 0)
            XCTAssertTrue(buffer.bytes.allSatisfy { $0 == 0 })
        }
    }
}
