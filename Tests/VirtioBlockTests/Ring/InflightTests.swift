import BlockIO
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// The record of requests under way, and a ring that another program goes on with.
final class InflightTests: VirtioTestCase {
    /// Keeps what it was told, as the inflight region of vhost-user does.
    private final class Log: VirtioInflightLog {
        private(set) var taken: [UInt16] = []
        private(set) var inFlight: Set<UInt16> = []
        private(set) var unpublished: [UInt16] = []
        private(set) var index: UInt16 = 0

        func requestTaken(_ head: UInt16) {
            taken.append(head)
            XCTAssertTrue(inFlight.insert(head).inserted)
        }

        func requestUsed(_ head: UInt16) {
            XCTAssertTrue(inFlight.contains(head))
            unpublished.append(head)
        }

        func batchPublished(_ usedIndex: UInt16) {
            XCTAssertEqual(usedIndex, index &+ UInt16(unpublished.count))
            index = usedIndex
            inFlight.subtract(unpublished)
            unpublished = []
        }
    }

    private func addWrites(_ world: VirtioWorld, _ range: Range<Int>) {
        for index in range {
            let place = VirtioWorld.data + UInt64(index * 512)
            world.fill(UInt8(index + 1), at: place, 512)
            world.add(
                VirtioType.write, sector: UInt64(index),
                [world.segment(512, isWritable: false, at: place)], index: index)
        }
        world.driver.publish()
    }

    /// The program ends with requests under way and others available; the next one does all of them, once.
    func testARingGoesOn() throws {
        var options = VirtioWorld.Options()
        options.starts = false
        try forEachTarget(
            size: Self.size,
            where: { $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .owned }
        ) { configuration, target in
            let log = Log()
            var left: Set<UInt16> = []
            var driver: RingDriver?
            let headers: (VirtioWorld) -> [UInt8] = { world in (0..<8).map { world.status($0) } }
            do {
                let world = try VirtioWorld(configuration.open(target), options)
                driver = world.driver
                try world.queue.start(
                    world.driver.layout, nextAvailable: 0, nextUsed: nil, inflight: log)
                self.addWrites(world, 0..<2)
                XCTAssertEqual(try world.finish(2).count, 2)
                XCTAssertEqual(log.inFlight, [])
                let rule = world.faults.add(.init(.hold, operations: [.write]))
                self.addWrites(world, 2..<6)
                XCTAssertEqual(world.queue.serve().taken, 4)
                left = log.inFlight
                XCTAssertEqual(left.count, 4)
                // The ring is forgotten, as when the program ends: nothing is told any more.
                world.queue.reset()
                world.faults.remove(rule)
                world.faults.release()
                _ = world.queue.drain()
                XCTAssertEqual(log.inFlight, left)
                XCTAssertEqual(world.status(2), VirtioStatus.untouched)
                self.addWrites(world, 6..<8)

                let heads = log.taken.suffix(4)
                try world.queue.start(
                    world.driver.layout, nextAvailable: 6, nextUsed: nil, inflight: nil,
                    resuming: Array(heads))
                XCTAssertEqual(try world.finish(6).count, 6)
                XCTAssertEqual(headers(world), .init(repeating: 0, count: 8))
                XCTAssertEqual(world.queue.end(), 8)
            }
            _ = driver
            let plain = try PlainFile(target.path, direct: false)
            for index in 0..<8 {
                self.expect(
                    try self.bytes(plain, at: 512 * index, 512),
                    .init(repeating: UInt8(index + 1), count: 512))
            }
        }
    }

    /// A list that a hostile front end has written.
    func testHeadsThatCannotBe() throws {
        var options = VirtioWorld.Options()
        options.starts = false
        try forEachEngine(options) { world, _ in
            for (heads, fault): ([UInt16], VirtioRingFault) in [
                ([64], .descriptorIndex), ([.max], .descriptorIndex), ([0, 0], .headInUse),
                ([1], .emptyDescriptor),
            ] {
                world.driver.restart()
                world.writeHeader(VirtioType.read, sector: 0)
                world.driver.writeDescriptor(
                    0, of: world.driver.base, world.header(0), 16, 1, next: 2)
                world.driver.writeDescriptor(
                    2, of: world.driver.base, VirtioWorld.data, 513, 2)
                let rule = world.faults.add(.init(.hold, operations: [.read]))
                try world.queue.start(
                    world.driver.layout, nextAvailable: 0, nextUsed: 0, inflight: nil,
                    resuming: heads)
                XCTAssertTrue(world.queue.serve().isBroken, "\(heads)")
                XCTAssertEqual(world.queue.fault, fault, "\(heads)")
                world.faults.remove(rule)
                world.faults.release()
                world.queue.reset()
                _ = world.queue.drain()
            }
        }
    }
}
