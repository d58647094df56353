import BlockIO
import BlockIOTesting
import XCTest
@testable import TestSupport

/// A striped image of known content and a queue on it, with faults that a test adds if it is decorated.
final class StripedBench {
    let configuration: Configuration
    let stripes: Stripes
    let image: BlockImage
    let queue: BlockQueue
    let faults = FaultInjector(seed: Seed.value)
    /// What the image holds at first.
    let content: AlignedBuffer
    var random = SplitMix64(seed: Seed.value)

    init(_ configuration: Configuration, _ target: StorageTarget, isDecorated: Bool) throws {
        self.configuration = configuration
        stripes = try target.stripes()
        try stripes.writeMap()
        content = AlignedBuffer(count: target.size)
        content.fill(using: &random)
        try PlainImage(stripes).write(content.bytes, at: 0)
        image = try configuration.open(target)
        queue = try configuration.queue(
            on: image,
            isDecorated
                ? QueueOptions().checked(with: faults) : QueueOptions())
    }

    /// The image's format.
    var format: StripedFormat {
        get throws { try XCTUnwrap(image.layout as? StripedFormat) }
    }

    /// Positions of data in the first file, in the second, and of the map in the second.
    var firstData: Range<UInt64> { 0..<UInt64(Stripes.mapStart) }
    var secondData: Range<UInt64> { UInt64(stripes.dataStart)..<UInt64.max }
    var map: Range<UInt64> { UInt64(Stripes.mapStart)..<UInt64(stripes.dataStart) }

    /// Runs one request to its end.
    func complete(_ start: (BlockQueue) -> Void) throws -> BlockCompletion {
        start(queue)
        var found: [BlockCompletion] = []
        try queue.finish { found.append($0) }
        XCTAssertEqual(found.count, 1, "completions of one request")
        return try XCTUnwrap(found.first)
    }

    /// Reads what is in the image by way of the library and compares it with what must be there.
    func assertHolds(
        _ expected: AlignedBuffer, _ message: String = "", file: StaticString = #filePath,
        line: UInt = #line
    ) throws {
        let found = AlignedBuffer(count: expected.count)
        let completion = try complete { $0.read(into: found.bytes, at: 0) }
        XCTAssertNil(completion.failure, message, file: file, line: line)
        XCTAssertTrue(sameBytes(found.bytes, expected.bytes), message, file: file, line: line)
    }
}

/// Tests on striped images, on every engine.
class FormatTestCase: ConformanceTestCase {
    override var layouts: Set<Configuration.Layout> { [.striped] }

    func forEachBench(
        size: Int = 1 << 20, isDecorated: Bool = true,
        where isWanted: (Configuration) -> Bool = { _ in true },
        _ check: (StripedBench) throws -> Void
    ) throws {
        try forEachTarget(size: size, where: isWanted) { configuration, target in
            let bench = try StripedBench(configuration, target, isDecorated: isDecorated)
            try check(bench)
            try bench.queue.finish()
            bench.queue.close()
        }
    }

    /// Runs a test with a queue on an image of one file of zeroes, whose format a test makes.
    func forEachImage(
        alignment: HostAlignment? = nil, options: QueueOptions = QueueOptions(),
        _ make: @escaping @Sendable (HostFile) -> HostileFormat,
        _ check: (BlockQueue) throws -> Void
    ) throws {
        try forEachTarget(size: 1 << 20) { configuration, target in
            let format = OpenOptions.Format(name: "hostile") { (file, _) throws(BlockError) in
                make(file)
            }
            let image = try BlockImage.open(
                target.path,
                OpenOptions(
                    access: .readWrite, engine: .forced(configuration.engine), format: format,
                    alignment: alignment))
            let queue = try configuration.queue(on: image, options)
            try check(queue)
            queue.close()
        }
    }
}
