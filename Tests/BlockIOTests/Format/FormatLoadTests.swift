import BlockIO
import BlockIOTesting
import XCTest
@testable import TestSupport

/// Many requests, large requests, and the end of a queue.
final class FormatLoadTests: FormatTestCase {
    /// A request has as many children, and the format is asked as often about it, whether a thousand are
    /// open or a hundred thousand.
    func testTheCostOfARequestDoesNotGrowWithTheirNumber() throws {
        // Bare engines on a tmpfs, with one kind of threading: a hundred thousand take a while.
        try forEachBench(isDecorated: false, where: { $0.isQuick }) { bench in
            let buffer = AlignedBuffer(count: 512)
            let format = try bench.format
            try bench.assertHolds(bench.content)
            var costs: [[Double]] = []
            for count in [1000, 100_000] {
                let (asked, children) = (
                    format.questions, bench.queue.statistics.childRequests
                )
                bench.queue.batch {
                    for index in 0..<count {
                        let place = UInt64(index % 2048 * 512)
                        bench.queue.read(into: buffer.bytes, at: place, userData: UInt(index))
                    }
                }
                var ledger = Ledger(count: count)
                try bench.queue.finish { ledger.note($0) }
                ledger.assertAllSucceeded()
                costs.append([
                    Double(format.questions - asked) / Double(count),
                    Double(bench.queue.statistics.childRequests - children) / Double(count),
                ])
            }
            // Chunks begin and end on sectors, so that no request is in two.
            XCTAssertEqual(costs, [[1, 1], [1, 1]])
        }
    }

    /// A request over many chunks has few children at a time.
    func testALargeRequestHasAWindow() throws {
        try forEachBench(size: 4 << 20) { bench in
            try bench.assertHolds(bench.content)
            let growths = bench.queue.statistics.slotGrowths
            bench.faults.add(.init(.hold))
            let found = AlignedBuffer(count: bench.content.count)
            bench.queue.read(into: found.bytes, at: 0)
            let chunks = bench.stripes.entries.count
            XCTAssertGreaterThan(chunks, 600)
            var released = 0
            while bench.queue.outstanding > 0 {
                try eventually("children are held") {
                    bench.queue.poll()
                    return bench.faults.heldCount > 0 || bench.queue.outstanding == 0
                }
                XCTAssertLessThanOrEqual(bench.faults.heldCount, FormatAnswer.requestLimit)
                released += 1
                bench.faults.release()
            }
            XCTAssertGreaterThanOrEqual(released, chunks / FormatAnswer.requestLimit)
            XCTAssertTrue(sameBytes(found.bytes, bench.content.bytes))
            XCTAssertEqual(bench.queue.statistics.slotGrowths, growths)
        }
    }

    /// A queue on an image whose format says, without I/O and one byte at a time, that all of it is zeroes. Counts
    /// how often the format is asked.
    private static func queueOfZeroes(
        _ target: StorageTarget, _ kind: EngineKind, _ questions: Locked<Int>
    ) throws -> BlockQueue {
        let format = OpenOptions.Format(name: "zeroes") { (file, _) throws(BlockError) in
            HostileFormat([file]) { _ in
                questions.withLock { $0 += 1 }
                return .zeroes(count: 1)
            }
        }
        return try BlockQueue(
            BlockImage.open(
                target.path,
                OpenOptions(access: .readWrite, engine: .forced(kind), format: format)))
    }

    /// A format that answers without I/O holds up neither the caller nor other requests, however large the
    /// request is, and the descriptor tells when to go on.
    func testAnswersWithoutRequestsTakeTurns() throws {
        for kind in EngineKind.allCases {
            let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
            defer { target.close() }
            let questions = Locked(0)
            let queue = try Self.queueOfZeroes(target, kind, questions)
            queue.discard(at: 0, length: 1 << 20, userData: 1)
            XCTAssertLessThanOrEqual(questions.withLock { $0 }, 4096, "\(kind)")
            let cancelled = queue.discard(at: 0, length: 1 << 20, userData: 2)
            queue.cancel(cancelled)
            var ended: [UInt: BlockCompletion] = [:]
            let set = try EventSet(queue.descriptor)
            while queue.outstanding > 0 {
                guard set.wait() != nil else { return XCTFail("\(kind): the descriptor is quiet") }
                let before = questions.withLock { $0 }
                queue.poll { ended[$0.userData] = $0 }
                XCTAssertLessThanOrEqual(questions.withLock { $0 } - before, 2 * 4096, "\(kind)")
            }
            XCTAssertEqual(ended[1]?.failure, nil, "\(kind)")
            XCTAssertEqual(ended[1]?.effect, .zeroes, "\(kind)")
            XCTAssertEqual(ended[2]?.failure, .cancelled, "\(kind)")
            // A wait for it goes on by itself.
            let before = questions.withLock { $0 }
            queue.discard(at: 0, length: 1 << 20, userData: 3)
            queue.close { XCTAssertNil($0.failure, "\(kind)") }
            XCTAssertEqual(questions.withLock { $0 } - before, 1 << 20, "\(kind)")
        }
    }

    /// Nor do many such requests together: one of them has its turn at a visit to the engine.
    func testManyOfThemTakeTurns() throws {
        for kind in EngineKind.allCases {
            let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
            defer { target.close() }
            let questions = Locked(0)
            let queue = try Self.queueOfZeroes(target, kind, questions)
            for index in 0..<16 {
                queue.discard(at: 0, length: 16383 - UInt64(index), userData: UInt(index))
            }
            let set = try EventSet(queue.descriptor)
            var order: [UInt] = []
            while queue.outstanding > 0 {
                guard set.wait() != nil else { return XCTFail("\(kind): the descriptor is quiet") }
                let before = questions.withLock { $0 }
                queue.poll {
                    XCTAssertNil($0.failure, "\(kind)")
                    order.append($0.userData)
                }
                let asked = questions.withLock { $0 } - before
                XCTAssertLessThanOrEqual(asked, 2 * 4096, "\(kind)")
                if asked > 2 * 4096 { break }
            }
            XCTAssertEqual(order, Array(0..<16), "\(kind)")
        }
    }

    func testClosingWaitsForChildren() throws {
        try forEachBench { bench in
            let buffers = (0..<64).map { _ in AlignedBuffer(count: 3 * Stripes.chunk) }
            for (index, buffer) in buffers.enumerated() {
                bench.queue.read(
                    into: buffer.bytes, at: UInt64(index * 512), userData: UInt(index))
            }
            var ledger = Ledger(count: 64)
            bench.queue.close { ledger.note($0) }
            ledger.assertAllSucceeded()
            for (index, buffer) in buffers.enumerated() {
                XCTAssertTrue(
                    sameBytes(buffer.bytes, bench.content.slice(index * 512, buffer.count)))
            }
            bench.queue.read(into: buffers[0].bytes, at: 0)
            var failures: [BlockError.Code?] = []
            bench.queue.poll { failures.append($0.failure) }
            XCTAssertEqual(failures, [.closed])
        }
    }

    func testDrainingDeliversEverything() throws {
        try forEachBench { bench in
            let buffer = AlignedBuffer(count: 5 * Stripes.chunk)
            var ledger = Ledger(count: 20)
            for index in 0..<10 {
                bench.queue.write(
                    from: .init(buffer.bytes), at: UInt64(index * Stripes.chunk),
                    userData: UInt(index))
            }
            var next: UInt = 10
            bench.queue.drain { completion in
                ledger.note(completion)
                if next < 20 {
                    bench.queue.flush(userData: next)
                    next += 1
                }
            }
            ledger.assertAllSucceeded()
            XCTAssertEqual(bench.queue.outstanding, 0)
        }
    }

    /// Two writes to one block of a file, from two chunks of the image that are neighbours there.
    func testNeighboursInAFileDoNotUndoEachOther() throws {
        try forEachBench { bench in
            for round in 0..<5 {
                bench.content.fill(using: &bench.random)
                bench.queue.batch {
                    for index in 0..<bench.stripes.entries.count {
                        let start = index * Stripes.chunk
                        let count = min(Stripes.chunk, bench.content.count - start)
                        bench.queue.write(
                            from: .init(bench.content.slice(start, count)), at: UInt64(start))
                    }
                }
                try bench.queue.finish { XCTAssertNil($0.failure) }
                let found = try PlainImage(bench.stripes).contents(at: 0, bench.content.count)
                XCTAssertTrue(sameBytes(found.bytes, bench.content.bytes), "round \(round)")
            }
        }
    }

    /// What the image's engine cannot serve is done by helpers, counted and reported.
    func testTheOtherFileOfALibaioImageIsServedByHelpers() throws {
        try forEachBench { bench in
            try bench.assertHolds(bench.content)
            let isHelped = bench.configuration.engine == .linuxAIO
            XCTAssertEqual(bench.queue.statistics.helperOperations > 0, isHelped)
            let notes = bench.image.engineReport.notes
            XCTAssertEqual(notes.count, isHelped ? 1 : 0, "\(notes)")
            XCTAssertEqual(notes.first?.contains(bench.stripes.partner.path) ?? false, isHelped)
        }
    }

    /// The thread that submits copies between memory and memory, and never waits for a disk: although the
    /// first file is in memory, the second need not be.
    func testNobodyWaitsForASecondFileWhileSubmitting() throws {
        let first = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { first.close() }
        let second = try orSkip(StorageTarget.make(.ext4File, size: 1 << 20))
        defer { second.close() }
        let path = second.path
        let format = OpenOptions.Format(name: "hostile") { (file, options) throws(BlockError) in
            let other = try HostFile.open(Pathname(path), options)
            return HostileFormat([file, other]) { question in
                .bytes(file: 1, at: FilePosition(question.offset.byte), count: .max)
            }
        }
        let image = try BlockImage.open(
            first.path, OpenOptions(engine: .forced(.threadPool), format: format))
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: 4096)
        for index in 0..<16 { queue.read(into: buffer.bytes, at: UInt64(index * 4096)) }
        try queue.finish { XCTAssertNil($0.failure) }
        XCTAssertEqual(queue.statistics.reads.operations, 16)
        XCTAssertEqual(queue.statistics.inlineCompletions, 0)
        queue.close()
    }
}

extension Configuration {
    /// On a tmpfs, with an owner.
    fileprivate var isQuick: Bool { target == .tmpfsFile && threading == .owned }
}
