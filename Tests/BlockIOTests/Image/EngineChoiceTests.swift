import BlockIO
import XCTest
@testable import TestSupport

/// Which engine runs an image, and what the report says of the others.
final class EngineChoiceTests: XCTestCase {
    func testLibaioRefusesBufferedImages() throws {
        try onAllTargets { target in
            let options = OpenOptions(caching: .buffered, engine: .forced(.linuxAIO))
            XCTAssertThrowsError(try BlockImage.open(target.path, options)) {
                let error = $0 as? BlockError
                XCTAssertEqual(error?.code, .engineUnavailable, "\(target.kind)")
                XCTAssertEqual(error?.errno, 0)
                XCTAssertTrue("\($0)".contains("libaio"), "\($0)")
            }
            // The refused open has given its lock back.
            XCTAssertNoThrow(try BlockImage.open(target.path, OpenOptions(access: .readWrite)))
        }
    }

    func testForcedEnginesAreTakenAsAsked() throws {
        try onAllTargets { target in
            for engine in EngineKind.allCases {
                let image = try BlockImage.open(target.path, OpenOptions(engine: .forced(engine)))
                XCTAssertEqual(image.engine, engine, "\(target.kind)")
                assertReport(image)
                XCTAssertTrue("\(image.engineReport)".contains("\(engine)"))
            }
        }
    }

    func testTheReportForAutoMentionsEveryEngine() throws {
        try onAllTargets { target in
            for caching in [OpenOptions.Caching.direct, .buffered] {
                let image = try BlockImage.open(target.path, OpenOptions(caching: caching))
                assertReport(image)
                for engine in EngineKind.allCases {
                    XCTAssertNotNil(image.engineReport[engine], "\(engine) on \(target.kind)")
                    XCTAssertTrue("\(image.engineReport)".contains("\(engine)"))
                }
                XCTAssertEqual("\(image.engineReport)".split(separator: "\n").count, 3)
            }
        }
    }

    func testAutoNeverTakesLibaioForABufferedImage() throws {
        try onAllTargets { target in
            let image = try BlockImage.open(target.path, OpenOptions(caching: .buffered))
            XCTAssertNotEqual(image.engine, .linuxAIO)
            guard case .refused(let reason, errno: 0) = image.engineReport[.linuxAIO] else {
                return XCTFail("\(image.engineReport)")
            }
            XCTAssertTrue(reason.contains("direct"), reason)
        }
    }

    /// In memory a request up to the limit is done when it has been submitted.
    func testThreadsLeaveCopiesToTheSubmitter() throws {
        try onAllTargets { target in
            let isMemory = target.kind == .tmpfsFile || target.kind == .zram
            for choice in [EngineChoice.forced(.threadPool), .auto] {
                let image = try BlockImage.open(target.path, OpenOptions(engine: choice))
                guard image.engine == .threadPool else {
                    XCTAssertFalse(isMemory, "\(target.kind): \(image.engineReport)")
                    continue
                }
                XCTAssertEqual(try inlineReads(image, bytes: 4096), isMemory ? 1 : 0)
                XCTAssertEqual(try inlineReads(image, bytes: 128 << 10), 0)
            }
            let none = OpenOptions(engine: .forced(.threadPool), inlineLimit: 0)
            XCTAssertEqual(try inlineReads(BlockImage.open(target.path, none), bytes: 4096), 0)
        }
    }

    /// How many of one read were done when it had been submitted.
    private func inlineReads(_ image: BlockImage, bytes: Int) throws -> UInt64 {
        let queue = try BlockQueue(image)
        let buffer = AlignedBuffer(count: bytes)
        queue.read(into: buffer.bytes, at: 0)
        let done = queue.statistics.inlineCompletions
        queue.flush()
        XCTAssertEqual(queue.statistics.inlineCompletions, done, "a flush may take its time")
        try queue.finish()
        return done
    }

    /// One engine is taken, with a reason, and it is the image's.
    private func assertReport(_ image: BlockImage, line: UInt = #line) {
        var taken: [EngineKind] = []
        for entry in image.engineReport.entries {
            switch entry.outcome {
            case .taken(let reason):
                taken.append(entry.engine)
                XCTAssertFalse(reason.isEmpty, line: line)
            case .passedOver(let reason), .refused(let reason, _):
                XCTAssertFalse(reason.isEmpty, line: line)
            }
        }
        XCTAssertEqual(taken, [image.engine], "\(image.engineReport)", line: line)
    }

    private func onAllTargets(_ check: (StorageTarget) throws -> Void) throws {
        for kind in StorageTarget.Kind.allCases {
            let target = try orSkip(StorageTarget.make(kind, size: 1 << 20))
            defer { target.close() }
            try check(target)
        }
    }
}
