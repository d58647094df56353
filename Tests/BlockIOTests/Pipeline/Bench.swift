import BlockIO
import BlockIOTesting
import Glibc
import XCTest
@testable import TestSupport

/// An image of known content, a queue with the checker under it, and faults to be added.
final class Bench {
    /// What is between the queue's pipeline and the engine.
    enum Guise: String, CaseIterable {
        /// The checker, and faults: they see every request, and wait a little differently from the
        /// engine alone.
        case decorated
        /// Nothing, as in use. Faults that a test adds do not happen.
        case bare
    }

    /// How image and queue are to be opened.
    struct Setup {
        var size = 64 << 10
        var alignment: HostAlignment?
        var depth = 32
        var bounceLimit = 1 << 20
        var access = OpenOptions.Access.readWrite
        var guise = Guise.decorated
    }

    let configuration: Configuration
    let target: StorageTarget
    let image: BlockImage
    let queue: BlockQueue
    let faults = FaultInjector(seed: Seed.value)
    /// What the medium must hold: random bytes at first, and then what a test puts here.
    let expected: AlignedBuffer
    var random = SplitMix64(seed: Seed.value)
    /// Memory of requests in flight, see ``copy(of:)``.
    var copies: [AlignedBuffer] = []

    init(_ configuration: Configuration, _ target: StorageTarget, _ setup: Setup) throws {
        self.configuration = configuration
        self.target = target
        expected = AlignedBuffer(count: target.size)
        expected.fill(using: &random)
        try PlainFile(target.path, direct: false).write(expected.bytes, at: 0)
        image = try BlockImage.open(
            target.path,
            OpenOptions(
                access: setup.access, caching: configuration.caching,
                engine: .forced(configuration.engine), alignment: setup.alignment))
        let options = QueueOptions(depth: setup.depth, bounceLimit: setup.bounceLimit)
        queue = try configuration.queue(
            on: image, setup.guise == .decorated ? options.checked(with: faults) : options)
    }

    /// Asserts that the medium, read by pread(2), holds what it must.
    func assertMedium(
        _ message: String = "", file: StaticString = #filePath, line: UInt = #line
    ) throws {
        let plain = try PlainFile(target.path, direct: false)
        let found = try plain.contents(at: 0, expected.count)
        guard !sameBytes(found.bytes, expected.bytes) else { return }
        let place = expected.bytes.indices.first { found.bytes[$0] != expected.bytes[$0] }!
        XCTFail("wrong byte at \(place) \(message)", file: file, line: line)
    }

    /// New random bytes, which the medium is to hold at `offset` from now on.
    func newBytes(at offset: Int, _ length: Int) -> UnsafeMutableRawBufferPointer {
        let place = expected.slice(offset, length)
        RandomBytes.fill(place, using: &random)
        return place
    }

    /// A list of elements of these lengths, each at the start of a page.
    func list(_ lengths: [Int]) -> ScatterList {
        let list = ScatterList(
            pieces: lengths.count, bytes: lengths.reduce(0, +), memoryAlignment: 4096)
        list.layOut(lengths, using: &random)
        return list
    }

    /// All completions that come in until nothing is outstanding.
    func finish() throws -> [BlockCompletion] {
        var completions: [BlockCompletion] = []
        try queue.finish { completions.append($0) }
        return completions
    }

    /// The next completions, waited for. A wait may end early: the kernel interrupts that of
    /// libaio also for work that rings of earlier tests have left to the thread.
    func next(_ count: Int = 1) -> [BlockCompletion] {
        let deadline = ContinuousClock.now + Patience.limit
        var completions: [BlockCompletion] = []
        while completions.count < count, ContinuousClock.now < deadline {
            queue.poll(minimum: count - completions.count, timeout: Patience.limit) {
                completions.append($0)
            }
        }
        return completions
    }

    /// Whether nothing comes in within a few milliseconds.
    func isQuiet() -> Bool { queue.poll(minimum: 1, timeout: .milliseconds(3)) == 0 }

    /// Serves the queue, from which nothing may come, until so many faults have been injected.
    func waitForFaults(_ count: Int) throws {
        let deadline = ContinuousClock.now + Patience.limit
        while faults.injectedCount < count {
            guard isQuiet(), ContinuousClock.now < deadline else {
                throw Stuck(outstanding: queue.outstanding)
            }
        }
    }
}

/// Tests that run on a ``Bench`` of their own for each configuration.
class PipelineTestCase: ConformanceTestCase {
    /// Every engine and threading, direct, on a tmpfs.
    static func isDirectOnTmpfs(_ configuration: Configuration) -> Bool {
        configuration.target == .tmpfsFile && configuration.caching == .direct
    }

    /// Runs `check` on each configuration that is wanted and each of the `guises`, then closes;
    /// nothing may be left.
    func forEachBench(
        _ setup: Bench.Setup = Bench.Setup(), guises: [Bench.Guise] = [.decorated],
        where isWanted: (Configuration) -> Bool = isDirectOnTmpfs, _ check: (Bench) throws -> Void
    ) throws {
        try forEachTarget(size: setup.size, where: isWanted) { configuration, target in
            for guise in guises {
                var setup = setup
                setup.guise = guise
                let bench = try Bench(configuration, target, setup)
                try check(bench)
                XCTAssertEqual(bench.queue.outstanding, 0, "left by the test")
                bench.faults.release()
                bench.queue.close()
                XCTAssertEqual(bench.queue.outstanding, 0)
            }
        }
    }
}
