import BlockIO
import BlockIOTesting
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// A reset with requests under way: the driver sees nothing of them, whatever comes first.
final class ResetTests: VirtioTestCase {
    /// What happens to two requests and the device, in every order.
    private enum Event: CaseIterable { case firstCompletes, secondCompletes, reset }

    private static var orders: [[Event]] {
        var orders: [[Event]] = []
        for first in Event.allCases {
            for second in Event.allCases where second != first {
                for third in Event.allCases where third != first && third != second {
                    orders.append([first, second, third])
                }
            }
        }
        return orders
    }

    func testTwoRequestsInEveryOrder() throws {
        // A read and a write; two reads; a flush and a discard.
        for kinds in [
            (VirtioType.read, VirtioType.write), (VirtioType.read, VirtioType.read),
            (VirtioType.flush, VirtioType.discard),
        ] {
            for order in Self.orders {
                try forEachEngine { world, plain in
                    try self.check(world, kinds, order)
                }
            }
        }
    }

    /// One operation in an hour.
    private static let hourly = RateLimits(operations: RateLimit(1, per: .seconds(3600)))

    private func addReads(_ world: VirtioWorld, _ count: Int) {
        for index in 0..<count {
            let place = VirtioWorld.data + UInt64(index * 4096)
            world.add(
                VirtioType.read, sector: UInt64(index),
                [world.segment(512, isWritable: true, at: place)], index: index)
        }
        world.driver.publish()
    }

    /// Requests that wait because of a rate limit go on when their ring stops.
    func testARingWithARateLimitStops() throws {
        try forEachEngine { world, _ in
            let image = world.device.image
            try image.setRateLimits(Self.hourly)
            // The queue adopts them.
            _ = world.queue.serve()
            self.addReads(world, 8)
            XCTAssertEqual(try world.finish(1).count, 1)
            XCTAssertEqual(world.queue.queue.statistics.throttledRequests, 7)
            world.queue.stop()
            let service = try Rescue.watching(help: { try? image.setRateLimits(RateLimits()) }) {
                world.queue.drain()
            }
            XCTAssertEqual(service.completed, 7)
            for index in 0..<8 { XCTAssertEqual(world.status(index), VirtioStatus.ok) }
            XCTAssertEqual(world.queue.end(), 8)
        }
    }

    /// They also do after a reset.
    func testARingWithARateLimitIsReset() throws {
        try forEachEngine { world, _ in
            try world.device.image.setRateLimits(Self.hourly)
            _ = world.queue.serve()
            self.addReads(world, 8)
            XCTAssertEqual(try world.finish(1).count, 1)
            world.queue.reset()
            XCTAssertTrue(world.queue.isResetting)
            while world.queue.isResetting {
                try world.wait()
                _ = world.queue.serve()
            }
            for index in 1..<8 { XCTAssertEqual(world.status(index), VirtioStatus.untouched) }
        }
    }

    private func check(_ world: VirtioWorld, _ kinds: (UInt32, UInt32), _ order: [Event]) throws {
        let rules = [hold(world, kinds.0, 0), hold(world, kinds.1, 1)]
        add(world, kinds.0, 0)
        add(world, kinds.1, 1)
        world.driver.publish()
        XCTAssertEqual(world.queue.serve().taken, 2)
        var isReset = false
        var completed: Set<Int> = []
        for event in order {
            switch event {
            case .firstCompletes, .secondCompletes:
                let index = event == .firstCompletes ? 0 : 1
                world.faults.release(rules[index])
                completed.insert(index)
                // Until the queue has nothing of it.
                try eventually("request \(index) has completed") {
                    _ = world.queue.serve()
                    return world.queue.queue.outstanding == 2 - completed.count
                }
                if !isReset {
                    XCTAssertEqual(world.status(index), VirtioStatus.ok, "\(order)")
                    XCTAssertEqual(world.driver.reap().count, 1, "\(order)")
                }
            case .reset:
                isReset = true
                world.queue.reset()
                XCTAssertEqual(world.queue.isResetting, completed.count < 2, "\(order)")
                XCTAssertTrue(world.queue.isIdle)
                for index in 0..<2 where !completed.contains(index) {
                    XCTAssertEqual(world.status(index), VirtioStatus.untouched, "\(order)")
                }
                // A new ring takes no request while the host has old ones.
                world.driver.restart()
                try world.queue.start(world.driver.layout)
                world.add(VirtioType.identify, index: 2)
                world.driver.publish()
                let service = world.queue.serve()
                XCTAssertEqual(service.taken, completed.count < 2 ? 0 : 1, "\(order)")
            }
        }
        for rule in rules { world.faults.remove(rule) }
        _ = world.queue.drain()
        XCTAssertFalse(world.queue.isResetting)
        XCTAssertEqual(world.status(2), VirtioStatus.ok, "\(order)")
        XCTAssertEqual(world.driver.load(world.driver.used + 2, as: UInt16.self), 1, "\(order)")
        XCTAssertEqual(world.queue.mapper.statistics.active, 0)
    }

    private func hold(_ world: VirtioWorld, _ kind: UInt32, _ index: Int) -> FaultInjector.RuleID {
        let operation: BlockIO.BlockOperation =
            switch kind {
            case VirtioType.read: .read
            case VirtioType.write: .write
            case VirtioType.flush: .flush
            default: .discard
            }
        let range: Range<UInt64> =
            kind == VirtioType.flush ? 0..<UInt64.max : place(index)..<place(index) + 512
        return world.faults.add(.init(.hold, operations: [operation], range: range))
    }

    private func place(_ index: Int) -> UInt64 { UInt64(8192 * (index + 1)) }

    private func add(_ world: VirtioWorld, _ kind: UInt32, _ index: Int) {
        let data = VirtioWorld.data + UInt64(8192 * index)
        let sector = place(index) / 512
        switch kind {
        case VirtioType.read:
            world.add(
                kind, sector: sector, [world.segment(512, isWritable: true, at: data)], index: index
            )
        case VirtioType.write:
            world.add(
                kind, sector: sector, [world.segment(512, isWritable: false, at: data)],
                index: index)
        case VirtioType.discard:
            world.driver.store(sector, at: data)
            world.driver.store(UInt32(1), at: data + 8)
            world.driver.store(UInt32(0), at: data + 12)
            world.add(kind, [world.segment(16, isWritable: false, at: data)], index: index)
        default: world.add(kind, index: index)
        }
    }

    /// A queue that is released with requests under way waits for the host.
    func testAQueueIsReleasedWithRequestsUnderWay() throws {
        try forEachTarget(
            size: Self.size,
            where: { $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .owned }
        ) { configuration, target in
            weak var queue: VirtioBlockQueue?
            do {
                let world = try VirtioWorld(configuration.open(target))
                queue = world.queue
                for index in 0..<8 { self.add(world, VirtioType.read, index) }
                world.driver.publish()
                _ = world.queue.serve()
            }
            XCTAssertNil(queue)
            // The image can be opened again: nothing holds it.
            _ = try VirtioWorld(configuration.open(target))
        }
    }
}
