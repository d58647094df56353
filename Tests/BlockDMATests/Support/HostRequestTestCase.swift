import BlockDMA
import GuestMemory
import XCTest

@testable import TestSupport

/// Tests of the table of states of ``HostRequest``, each on every engine.
class HostRequestTestCase: ConformanceTestCase {
    /// Runs `check` in a new world on each engine, and asserts that it leaves nothing under way.
    func forEachEngine(
        memory: () throws -> GuestRAM? = { nil }, _ check: (HostWorld) throws -> Void
    ) throws {
        try forEachTarget(
            size: HostWorld.size,
            where: {
                $0.target == .tmpfsFile && $0.threading == .shared && $0.caching == .direct
            }
        ) { configuration, target in
            let world = try HostWorld(configuration, target, memory: try memory())
            try check(world)
            XCTAssertEqual(world.queue.outstanding, 0)
            XCTAssertEqual(world.mapper.statistics.active, 0)
            XCTAssertEqual(world.space.bouncePool.available, HostWorld.bounceLimit)
        }
    }

    /// Asserts what a step of a transfer is, and returns its piece.
    @discardableResult
    func assertPiece(
        _ step: DMAStep?, _ range: Range<UInt64>, file: StaticString = #filePath,
        line: UInt = #line
    ) throws -> DMAPiece {
        guard case .submit(let piece)? = step else {
            XCTFail("\(step as Any) is not a piece", file: file, line: line)
            throw Stuck(outstanding: 0)
        }
        XCTAssertEqual(
            piece.offset.rawValue..<piece.offset.rawValue + piece.length, range, file: file,
            line: line)
        return piece
    }

    /// Asserts that a transfer is over.
    func assertDone(
        _ step: DMAStep?, _ outcome: DMAResult.Outcome, _ transferred: UInt64,
        file: StaticString = #filePath, line: UInt = #line
    ) {
        guard case .done(let result)? = step else {
            return XCTFail("\(step as Any) is not the end", file: file, line: line)
        }
        XCTAssertEqual(
            result, DMAResult(outcome: outcome, transferred: transferred), file: file, line: line)
    }

    func assertWaits(
        _ step: DMAStep?, file: StaticString = #filePath, line: UInt = #line
    ) {
        guard case .wait? = step else {
            return XCTFail("\(step as Any) is not a wait", file: file, line: line)
        }
    }
}
