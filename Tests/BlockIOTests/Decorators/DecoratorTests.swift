import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// Decorators alone and in pairs, in both orders, over every engine.
final class DecoratorTests: ConformanceTestCase {
    private static let block = 4096
    private static let count = 16

    private func forEachStack(
        _ stacks: [[DecoratorStack.Member]],
        _ check: (DecoratorStack, BlockQueue, StorageTarget) throws -> Void
    ) throws {
        try forEachTarget(
            size: Self.count * Self.block, where: PipelineTestCase.isDirectOnTmpfs
        ) { configuration, target in
            for members in stacks {
                let stack = DecoratorStack(members)
                let image = try configuration.open(target)
                let queue = try configuration.queue(on: image, stack.options)
                defer {
                    stack.release()
                    queue.close()
                }
                do {
                    try check(stack, queue, target)
                } catch {
                    XCTFail("\(configuration), \(members): \(error)")
                }
            }
        }
    }

    /// Also of both descriptors, for the bytes behind the last whole block.
    func testAFlushInsideADurableWriteIsAFlush() throws {
        let size = Self.block + 512
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: size))
        defer { target.close() }
        for kind in EngineKind.allCases {
            let image = try BlockImage.open(
                target.path,
                OpenOptions(
                    access: .readWrite, engine: .forced(kind),
                    alignment: HostAlignment(memory: Self.block, offset: Self.block)))
            let (faults, log) = (FaultInjector(), SubmissionLog())
            faults.add(.init(.error(EIO), operations: [.flush]))
            let queue = try BlockQueue(
                image, QueueOptions().decorated(by: [.logged(in: log), .failures(faults)]))
            let buffer = AlignedBuffer(count: 512)
            queue.write(
                from: .init(buffer.bytes), at: UInt64(Self.block), durability: .forceUnitAccess)
            queue.close { completion in
                XCTAssertEqual(completion.failure, .system, "\(kind)")
                XCTAssertEqual(completion.errno, EIO, "\(kind)")
            }
            XCTAssertEqual(log.entries.map(\.operation), [.write, .flush], "\(kind)")
        }
    }

    /// Reads and writes at places of their own, all in flight at a time, one of them cancelled, and what is
    /// held let go again and again.
    func testEveryRequestHasOneCompletionUnderEveryPair() throws {
        try forEachStack(DecoratorStack.all) { stack, queue, target in
            let plain = try PlainFile(target.path, direct: false)
            let before = AlignedBuffer(count: target.size)
            var random = SplitMix64(seed: Seed.value)
            before.fill(using: &random)
            try plain.write(before.bytes, at: 0)
            let memory = AlignedBuffer(count: target.size)
            memory.fill(using: &random)
            let written = AlignedBuffer(count: target.size)
            written.bytes.copyMemory(from: UnsafeRawBufferPointer(memory.bytes))
            for member in stack.members { stack.drive(member, after: 1, count: 3) }
            // Of what is held, the first may be cancelled.
            var ids: [RequestID] = []
            for index in 0..<Self.count {
                let place = index * Self.block
                let buffer = memory.slice(place, Self.block)
                let (offset, userData) = (UInt64(place), UInt(index))
                ids.append(
                    index % 2 == 0
                        ? queue.read(into: buffer, at: offset, userData: userData)
                        : queue.write(from: .init(buffer), at: offset, userData: userData))
                if index == Self.count / 2 { stack.power.cut() }
            }
            stack.power.restore()
            queue.cancel(ids[2])
            var ledger = Ledger(count: Self.count)
            var ends = [BlockCompletion?](repeating: nil, count: Self.count)
            let deadline = ContinuousClock.now + Patience.limit
            while queue.outstanding > 0 {
                guard ContinuousClock.now < deadline else {
                    throw Stuck(outstanding: queue.outstanding)
                }
                stack.release()
                queue.poll(minimum: 1, timeout: .milliseconds(1)) {
                    ledger.note($0)
                    ends[Int($0.userData)] = $0
                }
            }
            ledger.assertAllCompleted()
            XCTAssertEqual(stack.heldCount, 0, "\(stack.members)")
            XCTAssertEqual(queue.poll(minimum: 0), 0, "\(stack.members)")
            self.check(stack, ends)
            var wrong = 0
            let after = try plain.contents(at: 0, target.size)
            for index in 0..<Self.count {
                let place = index * Self.block
                let new = written.slice(place, Self.block)
                let old = before.slice(place, Self.block)
                guard ends[index]?.isSuccess == true else { continue }
                if index % 2 == 0 {
                    let found = memory.slice(place, Self.block)
                    for byte in 0..<Self.block where found[byte] != old[byte] { wrong += 1 }
                } else {
                    XCTAssertTrue(
                        sameBytes(after.slice(place, Self.block), new), "\(stack.members)")
                }
            }
            if stack.members.contains(.flippedBytes) {
                // One that was flipped in a request that failed is not counted.
                XCTAssertLessThanOrEqual(wrong, 3, "\(stack.members)")
            } else {
                XCTAssertEqual(wrong, 0, "\(stack.members)")
            }
        }
    }

    /// Who failed, and whether everything that is in the stack has had its effect.
    private func check(_ stack: DecoratorStack, _ ends: [BlockCompletion?]) {
        let failed = ends.compactMap { $0 }.filter { !$0.isSuccess && $0.failure != .cancelled }
        let what = "\(stack.members)"
        XCTAssertTrue(failed.allSatisfy { $0.errno == EIO }, what)
        let cancelled = ends.compactMap { $0 }.filter { $0.failure == .cancelled }
        XCTAssertTrue(cancelled.allSatisfy { $0.userData == 2 }, what)
        if stack.members.contains(.power) {
            let later = failed.filter { $0.userData > UInt(Self.count / 2) }
            XCTAssertFalse(later.isEmpty, what)
        } else if stack.members.contains(.failures) {
            XCTAssertTrue((1...3).contains(failed.count), "\(what): \(failed.count)")
        } else {
            XCTAssertTrue(failed.isEmpty, what)
        }
        XCTAssertEqual(stack.idle, [], what)
        XCTAssertEqual(stack.passing.entries.isEmpty, !stack.members.contains(.log), what)
        XCTAssertFalse(stack.asked.entries.isEmpty, what)
    }

    /// A request at a time: the submissions to a decorated engine are those of a bare one.
    func testADecoratedEngineIsAskedTheSameAsABareOne() throws {
        var bare: [String: [SubmissionLog.Entry]] = [:]
        let harmless = DecoratorStack.all.filter { stack in
            // A read that comes back wrong, or not at all, changes what is written later.
            stack.allSatisfy { $0 != .failures && $0 != .shortAnswers && $0 != .flippedBytes }
        }
        try forEachStack(harmless) { stack, queue, _ in
            for member in stack.members { stack.drive(member, after: 1, count: 5) }
            try self.runOneByOne(queue, stack)
            let key = "\(queue.image.engine)"
            guard !stack.members.isEmpty else {
                bare[key] = stack.asked.entries
                return
            }
            XCTAssertEqual(stack.asked.entries, bare[key], "\(key), \(stack.members)")
            XCTAssertEqual(stack.idle, [], "\(key), \(stack.members)")
        }
        XCTAssertEqual(bare.count, 3)
        XCTAssertTrue(bare.values.allSatisfy { $0.count > 10 })
    }

    func testAShortAnswerIsThatOfAWholeOperation() throws {
        try forEachStack([[.shortAnswers]]) { stack, queue, _ in
            stack.drive(.shortAnswers, count: 1)
            let buffer = AlignedBuffer(count: 8192)
            try queue.readAndWait(into: buffer.bytes, at: 0)
            let asked = stack.asked.entries
            XCTAssertEqual(asked.map(\.offset), [0, 512])
            XCTAssertEqual(asked.map(\.length), [8192, 8192 - 512])
        }
    }

    func testAFailedOperationIsNotAsked() throws {
        try forEachStack([[.failures]]) { stack, queue, _ in
            stack.drive(.failures, count: 1)
            let buffer = AlignedBuffer(count: 4096)
            XCTAssertThrowsError(try queue.readAndWait(into: buffer.bytes, at: 0))
            try queue.readAndWait(into: buffer.bytes, at: 4096)
            XCTAssertEqual(stack.asked.entries.map(\.offset), [4096])
        }
    }

    func testWhatTwoLayersHoldIsReleasedByBothOrCancelledOnce() throws {
        try forEachTarget(
            size: 1 << 16, where: PipelineTestCase.isDirectOnTmpfs
        ) { configuration, target in
            let image = try configuration.open(target)
            for isCancelled in [false, true] {
                let (above, below) = (FaultInjector(), FaultInjector())
                let queue = try configuration.queue(
                    on: image, QueueOptions().decorated(by: [.holds(above), .holds(below)]))
                above.add(.init(.hold, count: 1))
                below.add(.init(.hold, count: 1))
                let buffer = AlignedBuffer(count: 4096)
                let id = queue.read(into: buffer.bytes, at: 0)
                XCTAssertEqual([above.heldCount, below.heldCount], [1, 0])
                above.release()
                XCTAssertEqual(queue.poll(), 0)
                XCTAssertEqual([above.heldCount, below.heldCount], [0, 1])
                if isCancelled { queue.cancel(id) } else { below.release() }
                var ends: [BlockCompletion] = []
                try queue.finish { ends.append($0) }
                XCTAssertEqual(ends.map(\.failure), [isCancelled ? .cancelled : nil])
                XCTAssertEqual([above.heldCount, below.heldCount], [0, 0])
                queue.close()
            }
        }
    }

    func testAnAnswerThatIsToComeAfterAnotherDoesNotWaitForWhatIsHeld() throws {
        for members: [DecoratorStack.Member] in [[.reordering, .holds], [.holds, .reordering]] {
            try forEachStack([members]) { stack, queue, _ in
                let buffer = AlignedBuffer(count: 8192)
                stack.drive(.holds, .hold, in: 0..<4096)
                stack.drive(.reordering, .reorder, in: 4096..<8192)
                queue.read(into: buffer.slice(0, 4096), at: 0, userData: 1)
                queue.read(into: buffer.slice(4096, 4096), at: 4096, userData: 2)
                var order: [UInt] = []
                try queue.pollForOne { order.append($0.userData) }
                stack.release()
                try queue.finish { order.append($0.userData) }
                XCTAssertEqual(order, [2, 1], "\(members)")
            }
        }
    }

    func testWhatIsUnderWayWhenThePowerGoesFailsAndIsAskedOnlyOnce() throws {
        for members: [DecoratorStack.Member] in [[.power, .holds], [.holds, .power]] {
            try forEachStack([members]) { stack, queue, _ in
                stack.drive(.holds, count: 1)
                let buffer = AlignedBuffer(count: 4096)
                queue.read(into: buffer.bytes, at: 0)
                stack.power.cut()
                stack.release()
                var ends: [BlockCompletion] = []
                try queue.finish { ends.append($0) }
                XCTAssertEqual(ends.map(\.errno), [EIO], "\(members)")
                XCTAssertEqual(stack.asked.entries.count, members[0] == .power ? 1 : 0)
                XCTAssertThrowsError(try queue.readAndWait(into: buffer.bytes, at: 0))
                XCTAssertFalse(stack.power.isOn)
                stack.power.restore()
                try queue.readAndWait(into: buffer.bytes, at: 0)
            }
        }
    }

    /// Requests of every kind.
    private func runOneByOne(_ queue: BlockQueue, _ stack: DecoratorStack) throws {
        let memory = AlignedBuffer(count: 4 * Self.block)
        memory.fill(7)
        let list = [iovec(memory.slice(0, 512)), iovec(memory.slice(4096, 8192))]
        let bytes = UnsafeRawBufferPointer(memory.bytes)
        let requests: [(BlockQueue) -> Void] = [
            { $0.read(into: memory.bytes, at: 0) },
            { $0.write(from: bytes, at: 4096) },
            { $0.read(into: memory.slice(1, 1000), at: 77) },
            { $0.write(from: .init(rebasing: bytes[3..<5000]), at: 1000) },
            { $0.write(from: bytes, at: 8192, durability: .forceUnitAccess) },
            { $0.flush() },
            { $0.discard(at: 4096, length: 4096) },
            { $0.writeZeroes(at: 8192, length: 4096) },
            { $0.resize(to: 65536) },
            { $0.flush() },
        ]
        try list.withUnsafeBufferPointer { list in
            let all = requests + [{ $0.readv(list, at: 512) }, { $0.writev(list, at: 1024) }]
            for request in all {
                request(queue)
                let deadline = ContinuousClock.now + Patience.limit
                while queue.outstanding > 0 {
                    guard ContinuousClock.now < deadline else {
                        throw Stuck(outstanding: queue.outstanding)
                    }
                    stack.release()
                    queue.poll(minimum: 1, timeout: .milliseconds(1)) {
                        XCTAssertTrue($0.isSuccess, "\(stack.members): \($0)")
                    }
                }
            }
        }
    }
}

extension iovec {
    fileprivate init(_ buffer: UnsafeMutableRawBufferPointer) {
        self.init(iov_base: buffer.baseAddress, iov_len: buffer.count)
    }
}
