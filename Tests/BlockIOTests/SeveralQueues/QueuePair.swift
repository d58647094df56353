import BlockIO
import BlockIOTesting
import XCTest
@testable import TestSupport

/// Two queues of an image with blocks of eight sectors, used by one thread.
final class QueuePair {
    let configuration: Configuration
    let image: BlockImage
    let first: BlockQueue
    let second: BlockQueue
    /// Between the first queue and its engine.
    let faults = FaultInjector(seed: Seed.value)
    /// Memory of requests.
    let buffer = AlignedBuffer(count: 8192)
    private let target: StorageTarget

    init(_ configuration: Configuration, _ target: StorageTarget) throws {
        self.configuration = configuration
        self.target = target
        image = try BlockImage.open(
            target.path,
            OpenOptions(
                access: .readWrite, engine: .forced(configuration.engine), queueLimit: 3,
                alignment: HostAlignment(memory: 4096, offset: 4096)))
        first = try configuration.queue(on: image, QueueOptions().checked(with: faults))
        second = try configuration.queue(on: image)
        buffer.fill(0xA5)
        let zeroes = AlignedBuffer(count: target.size)
        zeroes.fill(0)
        try PlainFile(target.path, direct: true).write(zeroes.bytes, at: 0)
    }

    /// Writes a sector.
    @discardableResult
    func write(_ queue: BlockQueue, sector: Int, userData: UInt = 0) -> RequestID {
        queue.write(
            from: .init(buffer.slice(0, 512)), at: UInt64(sector * 512), userData: userData)
    }

    /// Has the first queue write sector 0, as far as the write of the block, which is held until it is
    /// released.
    func holdWriteOfFirst() throws {
        faults.add(.init(.hold, operations: [.write], count: 1))
        write(first, sector: 0)
        let end = ContinuousClock.now + Patience.limit
        while faults.injectedCount < 1 {
            first.poll(minimum: 1, timeout: .milliseconds(1))
            guard ContinuousClock.now < end else { throw Stuck(outstanding: 1) }
        }
    }

    /// Sleeps on the descriptor of a queue, and polls it when that is readable, until something has been delivered.
    func serve(
        _ queue: BlockQueue, _ events: EventSet, _ body: (BlockCompletion) -> Void
    ) throws {
        repeat {
            guard events.wait() != nil else { throw Stuck(outstanding: queue.outstanding) }
        } while queue.poll(body) == 0
    }

    /// Sleeps on the descriptors of queues, and polls the queue whose descriptor is readable, until nothing is
    /// outstanding. `body` gets the number of the queue in the list, and may make further requests.
    static func serveAll(
        _ queues: [BlockQueue], _ body: (Int, BlockCompletion) -> Void = { _, _ in }
    ) throws {
        let events = try queues.map { try EventSet($0.descriptor) }
        let set = try EventSet(queues.map(\.descriptor))
        while queues.contains(where: { $0.outstanding > 0 }) {
            guard set.wait() != nil else {
                // So that they can be closed.
                for _ in queues { for queue in queues { queue.poll() } }
                throw Stuck(outstanding: queues.reduce(0) { $0 + $1.outstanding })
            }
            for (number, queue) in queues.enumerated() where events[number].isReadable {
                queue.poll { body(number, $0) }
            }
        }
    }

    /// Asserts that sectors hold what ``write(_:sector:userData:)`` writes, and their neighbours zeroes.
    func assertSectorsAreWritten(
        _ sectors: Int..., file: StaticString = #filePath, line: UInt = #line
    ) throws {
        let found = try PlainFile(target.path, direct: false).contents(at: 0, Int(image.size))
        let written = (0..<found.count / 512).filter { found.bytes[$0 * 512] == 0xA5 }
        XCTAssertEqual(written, sectors, file: file, line: line)
        for sector in written {
            let part = found.slice(sector * 512, 512)
            XCTAssertTrue(part.allSatisfy { $0 == 0xA5 }, file: file, line: line)
        }
    }
}
