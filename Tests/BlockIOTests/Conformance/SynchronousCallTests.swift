import BlockIO
import XCTest
@testable import TestSupport

/// Calls that wait, among requests that do not.
final class SynchronousCallTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    private let size = 1 << 20

    func testWhatIsReadIsWhatWasWritten() throws {
        try forEachConfiguration(size: size) { subject in
            let block = subject.block
            let (source, sink) = (subject.buffer(4 * block), subject.buffer(4 * block))
            source.fill(using: &subject.random)
            let queue = subject.queue
            let written = vectors(of: source, block)
            let read = vectors(of: sink, block)
            try written.withUnsafeBufferPointer {
                XCTAssertEqual(try queue.writevAndWait($0, at: UInt64(block)), 4 * block)
            }
            try queue.flushAndWait()
            XCTAssertEqual(try queue.readAndWait(into: sink.bytes, at: UInt64(block)), 4 * block)
            XCTAssertTrue(sameBytes(source.bytes, sink.bytes))

            XCTAssertEqual(try queue.writeAndWait(from: .init(source.bytes), at: 0), 4 * block)
            sink.fill(0)
            try read.withUnsafeBufferPointer {
                XCTAssertEqual(try queue.readvAndWait($0, at: 0), 4 * block)
            }
            XCTAssertTrue(sameBytes(source.bytes, sink.bytes))
            XCTAssertEqual(queue.poll { _ in XCTFail("delivered to poll as well") }, 0)
        }
    }

    func testRequestsInFlightAreLeftToPoll() throws {
        try forEachConfiguration(size: size) { subject in
            try checkAmongOthers(subject) { others in
                for _ in 0..<4 { try others() }
            }
        }
    }

    func testCallsInsideABatch() throws {
        try forEachConfiguration(size: size) { subject in
            try checkAmongOthers(subject) { others in
                try subject.queue.batch {
                    try others()
                    try subject.queue.batch { try others() }
                }
            }
        }
    }

    func testCallsInsideAPollClosure() throws {
        try forEachConfiguration(size: size) { subject in
            let (block, queue) = (subject.block, subject.queue)
            let content = try subject.fillImage()
            let buffer = subject.buffer(17 * block)
            let mine = buffer.slice(16 * block, block)
            for index in 0..<16 {
                let place = UInt64(index * block)
                let slice = buffer.slice(index * block, block)
                queue.read(into: slice, at: place, userData: UInt(index))
            }
            var ledger = Ledger(count: 16)
            let outcomes = Outcomes()
            try queue.finish { completion in
                ledger.note(completion)
                let place = (completion.userData + 16) * UInt(block)
                outcomes.record { try queue.readAndWait(into: mine, at: UInt64(place)) }
                XCTAssertTrue(sameBytes(mine, content.slice(Int(place), block)))
            }
            XCTAssertTrue(outcomes.errors.isEmpty, "\(outcomes.errors)")
            ledger.assertAllSucceeded()
            XCTAssertTrue(sameBytes(buffer.slice(0, 16 * block), content.slice(0, 16 * block)))
        }
    }

    func testErrorsNameOperationRangeAndImage() throws {
        try forEachConfiguration(size: size) { subject in
            let buffer = subject.buffer(2 * subject.block)
            let start = subject.image.size - UInt64(subject.block)
            let range = start..<start + UInt64(buffer.count)
            XCTAssertThrowsError(try subject.queue.readAndWait(into: buffer.bytes, at: start)) {
                let error = $0 as? BlockError
                XCTAssertEqual(error?.code, .outOfRange)
                XCTAssertEqual(error?.operation, .read)
                XCTAssertEqual(error?.range, range)
                XCTAssertEqual(error?.image, subject.target.path)
                let text = "[\(range.lowerBound), \(range.upperBound))"
                XCTAssertTrue("\($0)".contains(text), "\($0)")
            }
            XCTAssertThrowsError(
                try subject.queue.writeAndWait(from: .init(buffer.bytes), at: start)
            ) { XCTAssertEqual(($0 as? BlockError)?.operation, .write) }
            XCTAssertEqual(subject.queue.outstanding, 0)
        }
    }

    /// `body` gets a function that makes synchronous calls. Eight reads are in flight before each
    /// group of them, and must all come out of `poll` later, once each.
    private func checkAmongOthers(
        _ subject: Subject, _ body: (() throws -> Void) throws -> Void
    ) throws {
        let (block, queue) = (subject.block, subject.queue)
        let content = try subject.fillImage()
        let reads = subject.buffer(64 * block)
        let (source, sink) = (subject.buffer(block), subject.buffer(block))
        // Behind everything that is read.
        let place = 100 * block
        var submitted = 0
        try body {
            for _ in 0..<8 {
                queue.read(
                    into: reads.slice(submitted * block, block), at: UInt64(submitted * block),
                    userData: UInt(submitted))
                submitted += 1
            }
            source.fill(using: &subject.random)
            try queue.writeAndWait(from: .init(source.bytes), at: UInt64(place))
            try queue.flushAndWait()
            XCTAssertEqual(try queue.readAndWait(into: sink.bytes, at: UInt64(place)), block)
            XCTAssertTrue(sameBytes(source.bytes, sink.bytes))
            XCTAssertEqual(queue.outstanding, submitted)
        }
        var ledger = Ledger(count: submitted)
        try queue.finish { ledger.note($0) }
        ledger.assertAllSucceeded()
        let length = submitted * block
        XCTAssertTrue(sameBytes(reads.slice(0, length), content.slice(0, length)))
    }

    private func vectors(of buffer: AlignedBuffer, _ length: Int) -> [iovec] {
        stride(from: 0, to: buffer.count, by: length).map {
            iovec(iov_base: buffer.bytes.baseAddress! + $0, iov_len: length)
        }
    }
}
