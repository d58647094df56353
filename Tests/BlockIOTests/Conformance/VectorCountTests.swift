import BlockIO
import XCTest
@testable import TestSupport

/// Lists of one piece to far more than IOV_MAX (1024): one completion, without a format one kernel request for
/// each 1024 pieces, and not a byte outside of the pieces touched.
final class VectorCountTests: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.raw, .striped, .volatileDisk] }

    func testListsOfOneToIOVMAXPieces() throws {
        try check(counts: [1, 2, 3, 16, 255, 256, 1023, 1024])
    }

    func testListsBeyondIOVMAX() throws {
        try check(counts: [1025, 3000])
    }

    private func check(counts: [Int]) throws {
        let most = counts.max()!
        try forEachConfiguration(size: 16 << 20) { subject in
            let list = subject.scatterList(pieces: most)
            let content = AlignedBuffer(count: most * max(700, subject.block))
            for count in counts { try roundTrip(subject, list, content, pieces: count) }
        }
    }

    private func roundTrip(
        _ subject: Subject, _ list: ScatterList, _ content: AlignedBuffer, pieces count: Int
    ) throws {
        let kernelRequests = UInt64((count + 1023) / 1024)
        let longest = count * max(700, subject.block)
        let place =
            subject.random.number(0...(subject.size - longest) / subject.block) * subject.block

        list.layOut(subject.lengths(pieces: count), using: &subject.random)
        let written = content.slice(0, list.total)
        RandomBytes.fill(written, using: &subject.random)
        list.gather(from: written)
        try expectOne(subject, kernelRequests, written.count, "write of \(count) pieces") {
            $0.writev(list.vectors, at: UInt64(place), userData: 7)
        }
        XCTAssertTrue(list.holds(written), "write of \(count) pieces changed them")
        XCTAssertTrue(list.guardsAreIntact, "write of \(count) pieces: bytes outside")
        let found = try subject.plainFile().contents(at: place, written.count)
        XCTAssertTrue(sameBytes(found.bytes, written), "write of \(count) pieces: content")

        // Where the host allows any length this is another total.
        list.layOut(subject.lengths(pieces: count), using: &subject.random)
        try expectOne(subject, kernelRequests, list.total, "read of \(count) pieces") {
            $0.readv(list.vectors, at: UInt64(place), userData: 7)
        }
        let stored = try subject.plainFile().contents(at: place, list.total)
        XCTAssertTrue(list.holds(stored.bytes), "read of \(count) pieces: content")
        XCTAssertTrue(list.guardsAreIntact, "read of \(count) pieces: bytes outside")
    }

    private func expectOne(
        _ subject: Subject, _ kernelRequests: UInt64, _ length: Int, _ what: String,
        _ submit: (BlockQueue) -> Void
    ) throws {
        let before = subject.queue.statistics
        submit(subject.queue)
        XCTAssertEqual(subject.queue.outstanding, 1, what)
        var completions: [BlockCompletion] = []
        try subject.queue.finish { completions.append($0) }
        XCTAssertEqual(completions.map(\.userData), [7], what)
        XCTAssertEqual(completions.map(\.failure), [nil], what)
        XCTAssertEqual(completions.map(\.transferred), [UInt64(length)], what)
        let after = subject.queue.statistics
        // A transfer that the kernel cut short or sent back is resumed: that is not a split.
        let resumed =
            after.shortTransfers - before.shortTransfers + after.retries - before.retries
        // A format makes a request for each of its chunks.
        guard subject.configuration.layout == .raw else { return }
        XCTAssertEqual(
            after.kernelRequests - before.kernelRequests - resumed, kernelRequests, what)
    }
}
