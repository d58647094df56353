import BlockIO
import XCTest
@testable import Exploration

/// The exploration's idea of what is legal: too strict it would find what is none, too lenient nothing.
final class HistoryTests: XCTestCase {
    private let layout = Layout.direct

    private func kind(_ name: String) -> RequestKind {
        layout.kinds.first { $0.name == name }!
    }

    private func image(_ changes: (Range<Int>, UInt8)...) -> [UInt8] {
        var content = [UInt8](repeating: History.initial, count: layout.size)
        for (range, value) in changes { for place in range { content[place] = value } }
        return content
    }

    func testWritesSideBySideEndInAnyOrder() {
        var history = History(layout, cuts: layout.cuts)
        history.submit(kind("write-block"))
        history.submit(kind("write-part"))
        history.deliver(0, isSuccess: true, effect: .unknown)
        history.deliver(1, isSuccess: true, effect: .unknown)
        let block = kind("write-block").range
        let part = kind("write-part").range
        XCTAssertNil(history.complaint(aboutImage: image((block, 1))))
        XCTAssertNil(history.complaint(aboutImage: image((block, 1), (part, 2))))
        XCTAssertNotNil(history.complaint(aboutImage: image((part, 2))))
        XCTAssertNotNil(history.complaint(aboutImage: image()))
    }

    func testALaterWriteIsSeen() {
        var history = History(layout, cuts: layout.cuts)
        history.submit(kind("write-block"))
        history.deliver(0, isSuccess: true, effect: .unknown)
        history.submit(kind("write-part"))
        history.deliver(1, isSuccess: true, effect: .unknown)
        let block = kind("write-block").range
        XCTAssertNotNil(history.complaint(aboutImage: image((block, 1))))
        XCTAssertNil(
            history.complaint(aboutImage: image((block, 1), (kind("write-part").range, 2))))
    }

    func testAWriteThatFailsMayLeaveSomething() {
        var history = History(layout, cuts: layout.cuts)
        history.submit(kind("write-block"))
        history.deliver(0, isSuccess: false, effect: .unknown)
        let block = kind("write-block").range
        XCTAssertNil(history.complaint(aboutImage: image()))
        XCTAssertNil(history.complaint(aboutImage: image((block, 1))))
        XCTAssertNil(
            history.complaint(aboutImage: image((block.lowerBound..<block.upperBound - 9, 1))))
        XCTAssertNotNil(history.complaint(aboutImage: image((block, 3))))
    }

    func testAFlushCoversWhatWasDeliveredBefore() {
        var history = History(layout, cuts: layout.cuts)
        history.submit(kind("write-block"))
        history.deliver(0, isSuccess: true, effect: .unknown)
        history.submit(kind("write-part-of-next"))
        history.submit(kind("flush"))
        history.deliver(1, isSuccess: true, effect: .unknown)
        history.deliver(2, isSuccess: true, effect: .unknown)
        let block = kind("write-block").range
        XCTAssertNotNil(history.complaint(aboutStable: image()))
        XCTAssertNil(history.complaint(aboutStable: image((block, 1))))
    }

    func testASmallerImageLosesItsEnd() {
        var history = History(layout, cuts: layout.cuts)
        history.submit(kind("resize-smaller"))
        history.deliver(0, isSuccess: true, effect: .unknown)
        history.submit(kind("resize-larger"))
        history.deliver(1, isSuccess: true, effect: .unknown)
        XCTAssertNotNil(history.complaint(aboutImage: image()))
        let start = kind("resize-smaller").range.upperBound
        XCTAssertNil(history.complaint(aboutImage: image((start..<layout.size, 0))))
    }
}
