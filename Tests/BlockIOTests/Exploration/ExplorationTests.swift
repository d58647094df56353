import BlockIO
import Exploration
import XCTest
@testable import TestSupport

/// Every program of one or two requests with every decision that a kernel may make, and a part of them
/// with every fault. The executable `explore` goes further.
final class ExplorationTests: XCTestCase {
    func testAlignedImage() throws { try explore(.direct) }

    func testBufferedImage() throws { try explore(.buffered) }

    func testImageThatEndsInsideABlock() throws { try explore(.odd) }

    func testOneFault() throws {
        for layout in Layout.all { try explore(layout, faults: 1, share: 10) }
    }

    /// What ends together is seen together, in any number.
    func testPartialReaps() throws {
        try explore(.direct, isPartial: true, share: 3)
        try explore(.odd, isPartial: true, share: 3)
    }

    /// The failed write-back of what one request has written behind the last whole block is told to the
    /// durable write of another, and no flush succeeds beside that.
    func testADurableWriteBesideTheEndOfAnImage() throws {
        var options = Exploration.Options()
        options.layout = .odd
        options.faults = 1
        let exploration = try Exploration(options, .model)
        for style in ["", ",+batch,+end:drain", ",+end:sleep"] {
            let text = "write-span,fua-span,flush" + style
            try exploration.exploreOne(XCTUnwrap(Program(text, .odd), text))
        }
        for finding in exploration.findings { XCTFail(finding.report(options)) }
        XCTAssertGreaterThan(exploration.totals.runs, 300)
    }

    /// `share` is one of how many programs is run.
    private func explore(
        _ layout: Layout, faults: Int = 0, isPartial: Bool = false, share: Int = 1,
        file: StaticString = #filePath, line: UInt = #line
    ) throws {
        var options = Exploration.Options()
        options.layout = layout
        options.requests = 2
        options.faults = faults
        options.isPartial = isPartial
        // Fewer under the sanitizers.
        options.parts = Configuration.choice == "few" ? share * 5 : share
        let exploration = try Exploration(options, .model)
        try exploration.exploreAll()
        for finding in exploration.findings {
            XCTFail(finding.report(options), file: file, line: line)
        }
        // Fewer would be a mistake of the exploration.
        let programs = exploration.totals.programs
        XCTAssertGreaterThan(programs, layout.kinds.count * layout.kinds.count / options.parts)
        if exploration.findings.isEmpty {
            XCTAssertGreaterThan(exploration.totals.runs, programs)
        }
    }
}

/// That nothing is left out.
final class DecisionsTests: XCTestCase {
    func testEverySequenceIsSeenOnce() {
        let decisions = Decisions()
        var seen: [[Int]] = []
        repeat {
            // The number of alternatives depends on what was decided before.
            let first = decisions.pick(3)
            let second = first == 1 ? 0 : decisions.pick(2 + first)
            seen.append([first, second])
        } while decisions.advance()
        XCTAssertEqual(
            seen, [[0, 0], [0, 1], [1, 0], [2, 0], [2, 1], [2, 2], [2, 3]])
    }

    func testAReplayDecidesTheSame() {
        let decisions = Decisions(replaying: [2, 1])
        XCTAssertEqual([decisions.pick(3), decisions.pick(2), decisions.pick(4)], [2, 1, 0])
        XCTAssertEqual(decisions.choices, [2, 1, 0])
    }
}
