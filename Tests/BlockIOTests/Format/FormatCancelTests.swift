import BlockIO
import BlockIOTesting
import XCTest
@testable import TestSupport

/// Cancelling a request of an image with a format, wherever it may be: its children end, and it has one
/// completion.
final class FormatCancelTests: FormatTestCase {
    private let buffer = AlignedBuffer(count: 40 * Stripes.chunk)

    func testWhileTheFormatReadsItsMap() throws {
        try forEachBench { bench in
            try check(bench, hold: .init(.hold, range: bench.map), held: 1) {
                bench.queue.read(into: buffer.bytes, at: 0)
            }
            XCTAssertEqual(try bench.format.abandoned, 1)
        }
    }

    func testWhileDataIsUnderWay() throws {
        try forEachBench { bench in
            try bench.assertHolds(bench.content)
            try check(bench, hold: .init(.hold), held: FormatAnswer.requestLimit) {
                bench.queue.read(into: buffer.bytes, at: 0)
            }
        }
    }

    /// Some children have ended, and others have not.
    func testWhileDataOfOneFileIsUnderWay() throws {
        try forEachBench { bench in
            try bench.assertHolds(bench.content)
            try check(bench, hold: .init(.hold, range: bench.secondData), held: nil) {
                bench.queue.write(from: .init(buffer.slice(0, 6 * Stripes.chunk)), at: 0)
            }
        }
    }

    func testWhileFilesAreFlushed() throws {
        try forEachBench { bench in
            try check(bench, hold: .init(.hold, operations: [.flush]), held: 2) {
                bench.queue.flush()
            }
            XCTAssertNil(try bench.complete { $0.flush() }.failure)
        }
    }

    func testBeforeAnythingIsSubmitted() throws {
        try forEachBench { bench in
            let queue = bench.queue
            let completion = try bench.complete { _ in
                queue.batch { queue.cancel(queue.read(into: buffer.bytes, at: 0)) }
            }
            XCTAssertEqual(completion.failure, .cancelled)
        }
    }

    func testBehindAResize() throws {
        try forEachBench { bench in
            let queue = bench.queue
            bench.faults.add(.init(.hold, range: 0..<8))
            queue.resize(to: bench.image.size, userData: 1)
            let write = queue.write(from: .init(buffer.slice(0, 512)), at: 0, userData: 2)
            queue.cancel(write)
            var found: [UInt: BlockError.Code?] = [:]
            try queue.pollForOne { found[$0.userData] = .some($0.failure) }
            XCTAssertEqual(found, [2: .cancelled])
            bench.faults.release()
            try queue.finish { found[$0.userData] = .some($0.failure) }
            XCTAssertEqual(found, [1: nil, 2: .cancelled])
        }
    }

    func testAResizeThatWaitsForAWrite() throws {
        try forEachBench { bench in
            let queue = bench.queue
            bench.faults.add(.init(.hold, operations: [.write]))
            queue.write(from: .init(buffer.slice(0, 512)), at: 0, userData: 1)
            try holds(bench, 1)
            let resize = queue.resize(to: 4096, userData: 2)
            queue.cancel(resize)
            bench.faults.release()
            var found: [UInt: BlockError.Code?] = [:]
            try queue.finish { found[$0.userData] = .some($0.failure) }
            XCTAssertEqual(found, [1: nil, 2: .cancelled])
            XCTAssertEqual(Int(bench.image.size), bench.content.count)
        }
    }

    /// Children that write parts of one block wait for each other. Cancelled, none of them goes on.
    func testChildrenThatWaitForEachOther() throws {
        try forEachImage(
            alignment: HostAlignment(memory: 1, offset: 4096),
            {
                HostileFormat([$0]) { question in
                    question.operation == .flush
                        ? .done
                        : .bytes(file: 0, at: FilePosition(question.offset.byte), count: 512)
                }
            }
        ) { queue in
            let (source, sink) = (AlignedBuffer(count: 8192), AlignedBuffer(count: 8192))
            source.bytes.initializeMemory(as: UInt8.self, repeating: 0)
            try queue.writeAndWait(from: .init(source.bytes), at: 0)
            source.bytes.initializeMemory(as: UInt8.self, repeating: 0xff)
            for isOtherBehind in [false, true] {
                var found: [UInt: BlockError.Code?] = [:]
                queue.batch {
                    let request = queue.write(from: .init(source.bytes), at: 0, userData: 1)
                    if isOtherBehind {
                        queue.write(from: .init(source.slice(0, 512)), at: 1024, userData: 2)
                    }
                    queue.cancel(request)
                }
                try queue.finish { found[$0.userData] = .some($0.failure) }
                XCTAssertEqual(found, isOtherBehind ? [1: .cancelled, 2: nil] : [1: .cancelled])
                try queue.readAndWait(into: sink.bytes, at: 0)
                for offset in stride(from: 0, to: 8192, by: 512) {
                    let wanted: UInt8 = isOtherBehind && offset == 1024 ? 0xff : 0
                    XCTAssertTrue(sink.slice(offset, 512).allSatisfy { $0 == wanted }, "\(offset)")
                }
            }
        }
    }

    /// Too late: a stale identifier cancels nothing, not even the request that is in its slot now.
    func testAfterTheEnd() throws {
        try forEachBench { bench in
            let queue = bench.queue
            let old = queue.read(into: buffer.slice(0, 512), at: 0)
            try queue.finish()
            let completion = try bench.complete {
                $0.read(into: buffer.slice(0, 512), at: 0)
                $0.cancel(old)
            }
            XCTAssertNil(completion.failure)
        }
    }

    /// Waits until the faults hold `count` engine submissions.
    private func holds(_ bench: StripedBench, _ count: Int) throws {
        try eventually("\(count) submissions are held, not \(bench.faults.heldCount)") {
            bench.queue.poll { XCTFail("\($0) although everything is held") }
            return bench.faults.heldCount == count
        }
    }

    private func check(
        _ bench: StripedBench, hold rule: FaultInjector.Rule, held count: Int?,
        line: UInt = #line, _ start: () -> RequestID
    ) throws {
        let hold = bench.faults.add(rule)
        let request = start()
        if let count {
            try holds(bench, count)
        } else {
            for _ in 0..<100 { bench.queue.poll { XCTFail("\($0)") } }
            XCTAssertGreaterThan(bench.faults.heldCount, 0)
        }
        bench.queue.cancel(request)
        var found: [BlockCompletion] = []
        try bench.queue.finish { found.append($0) }
        XCTAssertEqual(found.map(\.failure), [.cancelled], line: line)
        XCTAssertEqual(bench.faults.heldCount, 0, line: line)
        bench.faults.remove(hold)
    }
}
