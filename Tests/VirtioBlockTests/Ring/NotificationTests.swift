import BlockIO
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Notifications of the device, and interrupts (virtio 1.2, 2.7.7 to 2.7.10).
final class NotificationTests: VirtioTestCase {
    private func addReads(_ world: VirtioWorld, _ count: Int, from first: Int = 0) {
        for index in first..<first + count {
            let place = VirtioWorld.data + UInt64(index * 4096)
            world.add(
                VirtioType.read, sector: UInt64(index),
                [world.segment(512, isWritable: true, at: place)], index: index)
        }
    }

    /// One notification takes all that is there, and one interrupt says that all is done.
    func testOneBatchAndOneInterrupt() throws {
        for hasEventIndex in [true, false] {
            var options = VirtioWorld.Options()
            options.hasEventIndex = hasEventIndex
            try forEachEngine(options) { world, _ in
                let rule = world.faults.add(.init(.hold, operations: [.read]))
                world.driver.askForInterrupt(after: 0)
                self.addReads(world, 16)
                XCTAssertTrue(world.driver.publish())
                let taken = world.queue.serve()
                XCTAssertEqual(taken.taken, 16)
                XCTAssertEqual(taken.completed, 0)
                XCTAssertFalse(taken.isInterruptDue)
                world.faults.remove(rule)
                world.faults.release()
                let done = world.queue.drain()
                XCTAssertEqual(done.completed, 16)
                XCTAssertTrue(done.isInterruptDue)
                XCTAssertEqual(world.queue.statistics.batches, 1)
                let used = world.driver.reap()
                XCTAssertEqual(used.count, 16)
                for index in 0..<16 {
                    XCTAssertEqual(world.status(index), VirtioStatus.ok)
                    self.expect(
                        world.bytes(at: VirtioWorld.data + UInt64(index * 4096), 512),
                        Self.content(at: 512 * index, 512))
                }
            }
        }
    }

    /// Where the host completes requests in their submission, the driver is told of each part of a batch before the
    /// next part is taken, if it wants to be.
    func testABatchInParts() throws {
        for hasEventIndex in [true, false] {
            var options = VirtioWorld.Options()
            options.hasEventIndex = hasEventIndex
            options.size = 256
            try forEachEngine(options) { world, _ in
                // On a tmpfs only libaio does that in any case.
                guard world.device.image.engine == .linuxAIO else { return }
                var parts: [Int] = []
                func serve() -> VirtioService {
                    self.addReads(world, 40)
                    world.driver.publish()
                    parts = []
                    let service = world.queue.serve {
                        parts.append(world.driver.reap().count)
                        XCTAssertEqual(world.status(16 * parts.count - 1), VirtioStatus.ok)
                        XCTAssertEqual(world.status(16 * parts.count), VirtioStatus.untouched)
                    }
                    XCTAssertEqual(service.taken, 40)
                    XCTAssertEqual(service.completed, 40)
                    XCTAssertFalse(service.isMoreWaiting)
                    return service
                }
                // The queue does not know the host yet.
                XCTAssertTrue(serve().isInterruptDue)
                XCTAssertEqual(parts, [])
                XCTAssertEqual(world.driver.reap().count, 40)
                XCTAssertTrue(serve().isInterruptDue)
                XCTAssertEqual(parts, [16, 16])
                XCTAssertEqual(world.driver.reap().count, 8)
                // One interrupt for all, or none.
                world.driver.askForInterrupt(after: world.driver.lastUsed &+ 39)
                if !hasEventIndex { world.driver.store(UInt16(1), at: world.driver.available) }
                XCTAssertEqual(serve().isInterruptDue, hasEventIndex)
                XCTAssertEqual(parts, [])
                XCTAssertEqual(world.driver.reap().count, 40)
                XCTAssertEqual(world.queue.statistics.requests, 120)
                XCTAssertEqual(world.queue.statistics.batches, 3)
                XCTAssertEqual(world.queue.statistics.interrupts, hasEventIndex ? 5 : 4)
            }
        }
    }

    /// A first part that the host does not complete in its submission is followed by all the rest.
    func testAPartThatIsUnderWay() throws {
        try forEachEngine { world, _ in
            // All of it is complete when it has been taken.
            _ = try world.run(VirtioType.identify)
            let rule = world.faults.add(.init(.hold, operations: [.read]))
            self.addReads(world, 20)
            world.driver.publish()
            let service = world.queue.serve { XCTFail("an interrupt") }
            XCTAssertEqual(service.taken, 20)
            XCTAssertEqual(service.completed, 0)
            XCTAssertFalse(service.isMoreWaiting)
            XCTAssertEqual(world.queue.queue.outstanding, 20)
            world.faults.remove(rule)
            world.faults.release()
            XCTAssertEqual(try world.finish(20).count, 20)
            XCTAssertEqual(world.queue.statistics.batches, 2)
        }
    }

    /// A driver that adds requests whenever it is told of a part does not keep the call from its end.
    func testTheWorkOfOneCallInPartsIsLimited() throws {
        try forEachEngine { world, _ in
            for index in 0..<16 { world.add(VirtioType.identify, index: index) }
            world.driver.publish()
            XCTAssertEqual(world.queue.serve().taken, 16)
            XCTAssertEqual(world.driver.reap().count, 16)
            for index in 0..<32 { world.add(VirtioType.identify, index: index) }
            world.driver.publish()
            var parts: [Int] = []
            let service = world.queue.serve {
                parts.append(world.driver.reap().count)
                for index in 0..<16 { world.add(VirtioType.identify, index: index) }
                world.driver.publish()
            }
            XCTAssertEqual(parts, [Int](repeating: 16, count: 3))
            XCTAssertEqual(service.taken, 64)
            XCTAssertTrue(service.isMoreWaiting)
            XCTAssertEqual(try world.finish(32).count, 32)
        }
    }

    /// After a visit the device asks to be notified of the next request; not of those that it has taken.
    func testWhenTheDeviceWantsToBeNotified() throws {
        try forEachEngine { world, _ in
            for _ in 0..<40 {
                self.addReads(world, 3)
                XCTAssertTrue(world.driver.publish())
                // The device has not looked yet.
                self.addReads(world, 1, from: 3)
                XCTAssertFalse(world.driver.publish())
                XCTAssertEqual(try world.finish(4).count, 4)
            }
        }
    }

    /// While the caller looks by itself, the driver need not notify. In `serve` after that the queue takes what
    /// came without a notification, and asks for one.
    func testAQueueThatIsPolledWantsNoNotification() throws {
        for hasEventIndex in [true, false] {
            var options = VirtioWorld.Options()
            options.hasEventIndex = hasEventIndex
            try forEachEngine(options) { world, _ in
                for index in 0..<40 {
                    // The first one of a queue that sleeps.
                    self.addReads(world, 1)
                    XCTAssertTrue(world.driver.publish(), "round \(index)")
                    world.queue.setPolling(true)
                    XCTAssertEqual(try world.finish(1, isPolling: true).count, 1)
                    for _ in 0..<3 {
                        self.addReads(world, 2)
                        XCTAssertFalse(world.driver.publish())
                        XCTAssertEqual(try world.finish(2, isPolling: true).count, 2)
                    }
                    // Just before the end.
                    let count = index % 3
                    self.addReads(world, count)
                    XCTAssertFalse(world.driver.publish())
                    world.queue.setPolling(false)
                    XCTAssertEqual(try world.finish(count).count, count)
                }
            }
        }
    }

    /// A device that has ended may have left the flag that suppresses notifications.
    func testTheFlagOfAFormerDevice() throws {
        var options = VirtioWorld.Options()
        options.hasEventIndex = false
        options.starts = false
        try forEachEngine(options) { world, _ in
            world.driver.store(UInt16(1), at: world.driver.used)
            try world.queue.start(world.driver.layout)
            XCTAssertEqual(world.queue.serve(), VirtioService())
            world.add(VirtioType.flush)
            XCTAssertTrue(world.driver.publish())
            XCTAssertEqual(try world.finish(1).count, 1)
        }
    }

    /// With an event index the driver says after how many requests it wants an interrupt.
    func testWhenTheDriverWantsAnInterrupt() throws {
        try forEachEngine { world, _ in
            // The first decision after the start is an interrupt in any case.
            _ = try world.run(VirtioType.flush)
            var due: [Bool] = []
            for index in 0..<8 {
                // An interrupt when the used ring has 4 more.
                if index == 0 { world.driver.askForInterrupt(after: world.driver.lastUsed &+ 3) }
                let head = world.add(VirtioType.identify, index: index)
                world.driver.publish()
                let service = world.queue.drain()
                due.append(service.isInterruptDue)
                _ = head
            }
            XCTAssertEqual(due, [false, false, false, true, false, false, false, false])
            XCTAssertEqual(world.driver.reap().count, 8)
        }
    }

    /// Without one, a flag suppresses interrupts.
    func testTheFlagThatSuppressesInterrupts() throws {
        var options = VirtioWorld.Options()
        options.hasEventIndex = false
        try forEachEngine(options) { world, _ in
            world.driver.store(UInt16(1), at: world.driver.available)
            world.add(VirtioType.flush)
            world.driver.publish()
            XCTAssertFalse(world.queue.drain().isInterruptDue)
            world.driver.store(UInt16(0), at: world.driver.available)
            world.add(VirtioType.flush)
            world.driver.publish()
            XCTAssertTrue(world.queue.drain().isInterruptDue)
        }
    }

    /// The indices of both rings pass 65535.
    func testTheIndicesWrap() throws {
        var options = VirtioWorld.Options()
        options.size = 256
        try forEachEngine(options) { world, _ in
            for round in 0..<1100 {
                for index in 0..<60 { world.add(VirtioType.identify, index: index) }
                world.driver.publish()
                guard try world.finish(60).count == 60, world.queue.isRunning else {
                    return XCTFail("round \(round): \(String(describing: world.queue.fault))")
                }
            }
            XCTAssertEqual(world.driver.lastUsed, UInt16(truncatingIfNeeded: 66_000))
        }
    }

    /// A ring that starts anywhere, as after a move of the machine.
    func testARingThatStartsInTheMiddle() throws {
        var options = VirtioWorld.Options()
        options.starts = false
        try forEachEngine(options) { world, _ in
            let first = UInt16.max - 2
            world.driver.start(at: first)
            try world.queue.start(world.driver.layout, nextAvailable: first)
            for _ in 0..<8 {
                XCTAssertEqual(try world.run(VirtioType.flush).status, VirtioStatus.ok)
            }
            XCTAssertEqual(world.queue.end(), first &+ 8)
        }
    }

    /// The driver may have added requests before the ring starts, or while it is disabled.
    func testRequestsBeforeTheQueueLooks() throws {
        var options = VirtioWorld.Options()
        options.starts = false
        try forEachEngine(options) { world, _ in
            world.add(VirtioType.flush)
            world.driver.publish()
            XCTAssertEqual(world.queue.serve(), VirtioService())
            try world.queue.start(world.driver.layout)
            world.queue.setEnabled(false)
            XCTAssertEqual(world.queue.serve().taken, 0)
            world.queue.setEnabled(true)
            XCTAssertEqual(try world.finish(1).count, 1)
        }
    }

    /// After a stop, what is under way completes, and nothing else is taken.
    func testStopDrainAndEnd() throws {
        try forEachEngine { world, _ in
            let rule = world.faults.add(.init(.hold, operations: [.read]))
            self.addReads(world, 4)
            world.driver.publish()
            XCTAssertEqual(world.queue.serve().taken, 4)
            self.addReads(world, 2, from: 4)
            world.driver.publish()
            world.queue.stop()
            XCTAssertFalse(world.queue.isIdle)
            world.faults.remove(rule)
            world.faults.release()
            XCTAssertEqual(world.queue.drain().completed, 4)
            XCTAssertTrue(world.queue.isIdle)
            XCTAssertEqual(world.driver.reap().count, 4)
            let next = world.queue.end()
            XCTAssertEqual(next, 4)
            // The same ring goes on.
            try world.queue.start(world.driver.layout, nextAvailable: next)
            XCTAssertEqual(try world.finish(2).count, 2)
        }
    }

    /// Requests that end as soon as they are taken, on a driver that adds more all the time, are limited.
    func testTheWorkOfOneCallIsLimited() throws {
        var options = VirtioWorld.Options()
        options.size = 4
        try forEachEngine(options) { world, _ in
            // A driver that offers one descriptor again and again, and never looks.
            world.writeHeader(VirtioType.secureErase, sector: 0)
            let driver = world.driver
            driver.writeDescriptor(
                0, of: driver.base, world.header(0), 16, RingDriver.Flag.next, next: 1)
            driver.writeDescriptor(
                1, of: driver.base, world.statusPlace(0), 1, RingDriver.Flag.write)
            for _ in 0..<4 { driver.offer(0) }
            driver.publish()
            let service = world.queue.serve()
            XCTAssertEqual(service.taken, 4)
            XCTAssertFalse(service.isMoreWaiting)
            XCTAssertTrue(world.queue.isRunning)
            XCTAssertEqual(driver.load(driver.used + 2, as: UInt16.self), 4)
        }
    }
}
