import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// Thousands of random requests of any place, length and memory, with and without faults, checked
/// byte by byte. BLOCKIO_ROUNDS makes more of them, each with a seed of its own.
final class PropertyTests: ConformanceTestCase {
    func testRandomRequestsOnEveryStorage() throws {
        try forEachRun(size: 1 << 20) { configuration, target, random in
            for bounceLimit in [1 << 20, 512] {
                try Run(configuration, target, bounceLimit: bounceLimit).check(&random, steps: 150)
            }
        }
    }

    /// Where the host demands nothing, or little, a block of 4096 bytes makes it demanding.
    func testRandomRequestsWithLargerBlocks() throws {
        let alignment = HostAlignment(memory: 4096, offset: 4096)
        try forEachRun(size: 1 << 20, where: { $0.target == .tmpfsFile && $0.caching == .direct }) {
            for bounceLimit in [1 << 20, 512] {
                try Run($0, $1, bounceLimit: bounceLimit, alignment: alignment)
                    .check(&$2, steps: 100)
            }
        }
    }

    /// The same with nothing between the pipeline and the engine, where one request often waits for
    /// another to begin.
    func testRandomRequestsWithLargerBlocksOnBareEngines() throws {
        let alignment = HostAlignment(memory: 4096, offset: 4096)
        try forEachRun(
            size: 1 << 18, where: { !$0.target.isBlockDevice && $0.caching == .direct }
        ) {
            for bounceLimit in [1 << 20, 512] {
                try Run(
                    $0, $1, bounceLimit: bounceLimit, alignment: alignment, hasFaults: false,
                    isBare: true
                ).check(&$2, steps: 100)
            }
        }
    }

    /// The last block is not whole, and the image never grows.
    func testRandomRequestsOnAnImageOfOddSize() throws {
        let alignment = HostAlignment(memory: 4096, offset: 4096)
        let size = (256 << 10) + 5 * 512
        try forEachRun(
            size: size, where: { !$0.target.isBlockDevice && $0.caching == .direct }
        ) { configuration, target, random in
            for hasFaults in [true, false] {
                try Run(
                    configuration, target, bounceLimit: 1 << 20, alignment: alignment,
                    hasFaults: hasFaults
                ).check(&random, steps: 80)
            }
            try Run(
                configuration, target, bounceLimit: 4096, alignment: alignment, hasFaults: false,
                isBare: true
            ).check(&random, steps: 80)
            var status = stat()
            XCTAssertEqual(stat(target.path, &status), 0)
            XCTAssertEqual(Int(status.st_size), size)
        }
    }

    /// Then nothing may fail, and the statistics are known exactly.
    func testRandomRequestsWithoutFaults() throws {
        try forEachRun(size: 1 << 20) {
            for isBare in [false, true] {
                try Run($0, $1, bounceLimit: 64 << 10, hasFaults: false, isBare: isBare)
                    .check(&$2, steps: 60)
            }
        }
    }

    /// Runs `check` on each configuration as often as BLOCKIO_ROUNDS says.
    private func forEachRun(
        size: Int, where isWanted: (Configuration) -> Bool = { _ in true },
        _ check: (Configuration, StorageTarget, inout SplitMix64) throws -> Void
    ) throws {
        for round in 0..<Rounds.count {
            var random = SplitMix64(seed: Seed.value &+ UInt64(round))
            try forEachTarget(size: size, where: isWanted) { try check($0, $1, &random) }
        }
    }
}

/// One image and one queue, from opening to the last look at the content.
private struct Run {
    let configuration: Configuration
    let target: StorageTarget
    let bounceLimit: Int
    let alignment: HostAlignment?
    let hasFaults: Bool
    /// Without anything between the pipeline and the engine.
    let isBare: Bool

    init(
        _ configuration: Configuration, _ target: StorageTarget, bounceLimit: Int,
        alignment: HostAlignment? = nil, hasFaults: Bool = true, isBare: Bool = false
    ) {
        self.configuration = configuration
        self.target = target
        self.bounceLimit = bounceLimit
        self.alignment = alignment
        self.hasFaults = hasFaults
        self.isBare = isBare
    }

    func check(_ random: inout SplitMix64, steps: Int) throws {
        let what = "bounce limit \(bounceLimit), faults \(hasFaults), bare \(isBare)"
        let image = try BlockImage.open(
            target.path,
            OpenOptions(
                access: .readWrite, caching: configuration.caching,
                engine: .forced(configuration.engine), alignment: alignment))
        let model = ByteModel(size: Int(image.size), using: &random)
        try PlainFile(target.path, direct: false).write(model.content, at: 0)

        let faults = hasFaults ? FaultMix.make(seed: random.next()) : nil
        let options = QueueOptions(
            depth: random.number(0...2) == 0 ? 3 : 32, bounceLimit: bounceLimit)
        let queue = try configuration.queue(
            on: image, isBare ? options : options.checked(with: faults))
        let exerciser = Exerciser(
            queue, model, faults: faults, cancels: hasFaults,
            random: SplitMix64(seed: random.next()))
        for _ in 0..<steps { try exerciser.step() }
        try exerciser.finish()
        XCTAssertEqual(exerciser.mistakes, [], what)

        let statistics = queue.statistics
        XCTAssertNil(exerciser.tally.difference(statistics), what)
        XCTAssertEqual(statistics.outstanding, 0, what)
        if !hasFaults && image.alignment == .none && image.kind == .file {
            let bytes = exerciser.tally.bytes(.read) + exerciser.tally.bytes(.write)
            XCTAssertEqual(statistics.directBytes, bytes, what)
            XCTAssertEqual(statistics.bouncedBytes, 0, what)
        }
        queue.close { _ in XCTFail("a completion after the last") }

        let found = try PlainFile(target.path, direct: false).contents(at: 0, model.size)
        XCTAssertNil(model.mismatch(found.bytes, in: 0..<model.size), "content at the end, \(what)")
        XCTAssertEqual(Int(image.size), model.size, what)
    }
}
