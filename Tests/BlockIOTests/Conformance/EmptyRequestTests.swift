import BlockIO
import Glibc
import XCTest
@testable import TestSupport

/// Nothing asked for is nothing done, successfully, without the kernel.
final class EmptyRequestTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    func testEmptyListsAndEmptyElementsSucceed() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let model = try subject.fillImage()
            let nowhere = UnsafeMutableRawPointer(bitPattern: 3)
            let empties = [iovec](repeating: iovec(iov_base: nowhere, iov_len: 0), count: 3000)
            let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            let end = subject.image.size
            empties.withUnsafeBufferPointer { empties in
                let lists = [
                    UnsafeBufferPointer(start: nil, count: 0),
                    UnsafeBufferPointer(rebasing: empties[..<0]),
                    UnsafeBufferPointer(rebasing: empties[..<1]), empties,
                ]
                for offset in [0, end - UInt64(subject.block), end] {
                    for list in lists {
                        expectNothing(subject, "\(list.count) elements at \(offset)") {
                            $0.readv(list, at: offset, userData: 9)
                            $0.writev(list, at: offset, userData: 9)
                        }
                    }
                    expectNothing(subject, "an empty buffer at \(offset)") {
                        $0.read(into: nothing, at: offset, userData: 9)
                        $0.write(from: .init(nothing), at: offset, userData: 9)
                    }
                }
            }
            XCTAssertEqual(try subject.queue.readAndWait(into: nothing, at: 0), 0)
            XCTAssertEqual(try subject.queue.writeAndWait(from: .init(nothing), at: 0), 0)
            let found = try subject.plainFile().contents(at: 0, subject.size)
            XCTAssertTrue(sameBytes(found.bytes, model.bytes))
        }
    }

    /// Elements of length zero, with addresses that are no addresses, among others.
    func testEmptyElementsAmongOthersAreSkipped() throws {
        try forEachConfiguration(size: 1 << 20) { subject in
            let model = try subject.fillImage()
            let block = subject.block
            let buffer = subject.buffer(3 * block)
            let nowhere = iovec(iov_base: UnsafeMutableRawPointer(bitPattern: 3), iov_len: 0)
            var list = [nowhere, nowhere]
            for index in 0..<3 {
                let piece = buffer.slice(index * block, block)
                list += [iovec(iov_base: piece.baseAddress, iov_len: block), nowhere]
            }
            try list.withUnsafeBufferPointer { list in
                XCTAssertEqual(
                    try subject.queue.readvAndWait(list, at: UInt64(block)), 3 * block)
                XCTAssertTrue(sameBytes(buffer.bytes, model.slice(block, 3 * block)))
                XCTAssertEqual(try subject.queue.writevAndWait(list, at: 0), 3 * block)
            }
            let found = try subject.plainFile().contents(at: 0, 3 * block)
            XCTAssertTrue(sameBytes(found.bytes, buffer.bytes))
            XCTAssertTrue(buffer.guardsAreIntact)
        }
    }

    private func expectNothing(
        _ subject: Subject, _ what: String, _ submit: (BlockQueue) -> Void
    ) {
        let before = subject.queue.statistics.kernelRequests
        submit(subject.queue)
        var completions: [BlockCompletion] = []
        subject.queue.poll { completions.append($0) }
        XCTAssertEqual(completions.map(\.userData), [9, 9], what)
        XCTAssertEqual(completions.map(\.failure), [nil, nil], what)
        XCTAssertEqual(completions.map(\.transferred), [0, 0], what)
        XCTAssertEqual(subject.queue.outstanding, 0, what)
        XCTAssertEqual(subject.queue.statistics.kernelRequests, before, what)
    }
}
