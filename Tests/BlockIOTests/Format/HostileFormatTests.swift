import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// What a format says of a damaged or hostile image: a typed error, no trap and no hang.
final class HostileFormatTests: FormatTestCase {
    func testAMapThatLeadsNowhere() throws {
        try forEachBench { bench in
            let entries: [(UInt64, String)] = [
                (.max, "no bytes"), (100 << 8 | 9, "a file that there is not"),
                (100 << 8, "a file before the first"),
                (Stripes.Entry(file: 0, position: 1 << 40).bits, "behind the end of a file"),
                (Stripes.Entry(file: 1, position: (1 << 55) - 1).bits, "far behind it"),
                (Stripes.Entry(file: 0, position: bench.content.count - 512).bits, "across it"),
            ]
            for (index, (bits, _)) in entries.enumerated() {
                try bench.stripes.write(bits, of: 2 + index)
            }
            let buffer = AlignedBuffer(count: Stripes.chunk)
            for (index, (_, text)) in entries.enumerated() {
                let place = UInt64((2 + index) * Stripes.chunk)
                let length = UInt64(Stripes.chunk)
                let starts: [(BlockQueue) -> Void] = [
                    { $0.read(into: buffer.bytes, at: place) },
                    { $0.write(from: .init(buffer.bytes), at: place) },
                    { $0.discard(at: place, length: length) },
                    { $0.writeZeroes(at: place, length: length) },
                ]
                for start in starts {
                    let completion = try bench.complete(start)
                    XCTAssertEqual(completion.failure, .corruptImage, text)
                    XCTAssertEqual(completion.offset, place, text)
                    XCTAssertEqual(completion.transferred, 0, text)
                }
            }
            let good = try bench.complete { $0.read(into: buffer.bytes, at: 0) }
            XCTAssertNil(good.failure)
        }
    }

    func testAnswersThatCannotBeFollowed() throws {
        let answers: [(String, @Sendable (FormatQuestion) -> FormatAnswer)] = [
            ("no bytes", { _ in .bytes(file: 0, at: FilePosition(0), count: 0) }),
            ("no file", { _ in .bytes(file: 1, at: FilePosition(0), count: 512) }),
            ("below the first", { _ in .bytes(file: -1, at: FilePosition(0), count: 512) }),
            ("overflow", { _ in .bytes(file: 0, at: FilePosition(.max), count: 512) }),
            ("no zeroes", { _ in .zeroes(count: 0) }),
            ("done", { _ in .done }),
            ("nothing to wait for", { _ in .after([]) }),
            (
                "too much to wait for",
                { _ in .after(.init(repeating: .init(.flush, file: 0), count: 33)) }
            ),
            ("a flush of no file", { _ in .after([.init(.flush, file: 7)]) }),
            ("asked for ever", { _ in .after([.init(.flush, file: 0)]) }),
            (
                "a child beyond the file",
                { _ in
                    .after([.init(.discard(length: 512), file: 0, at: FilePosition(1 << 50))])
                }
            ),
        ]
        for (text, answer) in answers {
            try forEachImage({ HostileFormat([$0], answer) }) { queue in
                let buffer = AlignedBuffer(count: 4096)
                queue.read(into: buffer.bytes, at: 0, userData: 1)
                queue.write(from: .init(buffer.bytes), at: 8192, userData: 2)
                var found: [UInt: BlockError.Code?] = [:]
                try queue.finish { found[$0.userData] = .some($0.failure) }
                XCTAssertEqual(found, [1: .corruptImage, 2: .corruptImage], text)
            }
        }
    }

    func testFailuresAreThoseOfTheRequest() throws {
        try forEachImage({ HostileFormat([$0]) { _ in .failed(.system, errno: ENOSPC) } }) {
            queue in
            let buffer = AlignedBuffer(count: 512)
            XCTAssertThrowsError(
                try queue.writeAndWait(from: .init(buffer.bytes), at: 4096)
            ) { error in
                XCTAssertEqual((error as? BlockError)?.errno, ENOSPC)
                XCTAssertEqual((error as? BlockError)?.range, 4096..<4608)
            }
            XCTAssertThrowsError(try queue.flushAndWait()) {
                XCTAssertEqual(($0 as? BlockError)?.errno, ENOSPC)
            }
        }
    }

    /// More bytes than were asked about are those that were asked about.
    func testAnswersMayCoverMoreThanWasAsked() throws {
        try forEachImage({
            HostileFormat([$0]) { question in
                switch question.operation {
                case .flush: .done
                default: .bytes(file: 0, at: FilePosition(question.offset.byte), count: .max)
                }
            }
        }) { queue in
            let buffer = AlignedBuffer(count: 8192)
            XCTAssertEqual(try queue.readAndWait(into: buffer.bytes, at: 512), 8192)
            XCTAssertEqual(queue.statistics.childRequests, 1)
            XCTAssertTrue(buffer.guardsAreIntact)
        }
    }

    /// Metadata that a durable write leaves behind is flushed with it.
    func testADurableWriteIsFollowedByAFlushOfMetadata() throws {
        let flushes = Locked(0)
        try forEachImage({
            HostileFormat([$0], hasChangedMetadata: true) { question in
                if question.operation == .flush {
                    flushes.withLock { $0 += 1 }
                    return .done
                }
                return .bytes(file: 0, at: FilePosition(question.offset.byte), count: .max)
            }
        }) { queue in
            flushes.withLock { $0 = 0 }
            let buffer = AlignedBuffer(count: 4096)
            try queue.writeAndWait(from: .init(buffer.bytes), at: 0)
            XCTAssertEqual(flushes.withLock { $0 }, 0)
            try queue.writeAndWait(
                from: .init(buffer.bytes), at: 0, durability: .forceUnitAccess)
            XCTAssertEqual(flushes.withLock { $0 }, 1)
            XCTAssertEqual(queue.statistics.flushes.operations, 0)
            XCTAssertEqual(queue.statistics.durableWrites.operations, 1)
        }
    }

    /// What the format has written by requests of its own is part of what a durable write makes stable,
    /// whichever request it was written for, and by whichever queue.
    func testADurableWriteIsFollowedByAFlushOfWhatTheFormatWrote() throws {
        let flushes = Locked(0)
        try forEachTarget(size: 1 << 20) { configuration, target in
            let format = OpenOptions.Format(name: "hostile") { (file, _) throws(BlockError) in
                HostileFormat([file]) { question in
                    if question.operation == .flush {
                        flushes.withLock { $0 += 1 }
                        return .done
                    }
                    // The format writes something for each write to the first block.
                    return question.offset.byte == 0 && question.step == 0
                        ? .after([
                            .init(.writeZeroes(length: 4096), file: 0, at: FilePosition(1 << 19))
                        ]) : .bytes(file: 0, at: FilePosition(question.offset.byte), count: .max)
                }
            }
            let image = try BlockImage.open(
                target.path,
                OpenOptions(
                    access: .readWrite, engine: .forced(configuration.engine), format: format))
            let buffer = AlignedBuffer(count: 4096)
            let faults = FaultInjector(seed: Seed.value)
            func flushesOfDurableWrite(_ queue: BlockQueue) throws -> Int {
                flushes.withLock { $0 = 0 }
                try queue.writeAndWait(
                    from: .init(buffer.bytes), at: 8192, durability: .forceUnitAccess)
                return flushes.withLock { $0 }
            }
            let first = try configuration.queue(on: image)
            XCTAssertEqual(try flushesOfDurableWrite(first), 0)
            try first.writeAndWait(from: .init(buffer.bytes), at: 0)
            XCTAssertEqual(try flushesOfDurableWrite(first), 1)
            XCTAssertEqual(try flushesOfDurableWrite(first), 0)
            try first.writeAndWait(from: .init(buffer.bytes), at: 0)
            try first.flushAndWait()
            XCTAssertEqual(try flushesOfDurableWrite(first), 0)
            try first.writeAndWait(from: .init(buffer.bytes), at: 0)
            first.close()
            let second = try configuration.queue(on: image, QueueOptions().checked(with: faults))
            let rule = faults.add(.init(.transientError(EIO), operations: [.flush]))
            XCTAssertThrowsError(try flushesOfDurableWrite(second))
            faults.remove(rule)
            XCTAssertEqual(try flushesOfDurableWrite(second), 1)
            XCTAssertEqual(try flushesOfDurableWrite(second), 0)
            second.close()
        }
    }

    /// The question that the format is told about is the one that it answered.
    func testWhatIsAbandonedIsWhatWasAsked() throws {
        let abandoned = Locked<[FormatQuestion]>([])
        try forEachImage({
            HostileFormat(
                [$0], hasChangedMetadata: true,
                abandoned: { question in abandoned.withLock { $0.append(question) } }
            ) { question in
                question.operation == .flush
                    ? .after([.init(.discard(length: 512), file: 0, at: FilePosition(1 << 50))])
                    : .bytes(file: 0, at: FilePosition(question.offset.byte), count: .max)
            }
        }) { queue in
            let buffer = AlignedBuffer(count: 4096)
            abandoned.withLock { $0 = [] }
            XCTAssertThrowsError(
                try queue.writeAndWait(
                    from: .init(buffer.bytes), at: 8192, durability: .forceUnitAccess))
            XCTAssertThrowsError(try queue.flushAndWait())
            let found = abandoned.withLock { $0 }
            XCTAssertEqual(found.map(\.operation), [.flush, .flush])
            XCTAssertEqual(found.map(\.offset.byte), [0, 0])
            XCTAssertEqual(found.map(\.length), [0, 0])
            XCTAssertEqual(found.map(\.step), [1, 1])
        }
    }

    func testFilesThatAreNotThoseOfTheImage() throws {
        let target = try orSkip(StorageTarget.make(.tmpfsFile, size: 1 << 20))
        defer { target.close() }
        let makes: [@Sendable (HostFile) -> [HostFile]] = [
            { _ in [] }, { [$0, $0] }, { .init(repeating: $0, count: HostFile.limitOfImage + 1) },
        ]
        for make in makes {
            let format = OpenOptions.Format(name: "hostile") { (file, _) throws(BlockError) in
                HostileFormat(make(file)) { _ in .done }
            }
            XCTAssertThrowsError(
                try BlockImage.open(target.path, OpenOptions(format: format))
            ) { XCTAssertEqual(($0 as? BlockError)?.code, .corruptImage) }
        }
        // Nothing stays locked.
        _ = try BlockImage.open(target.path, OpenOptions(access: .readWrite))
    }
}
