import BlockIO
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Rings that break a rule of the specification: the queue stops to look at the ring, says so once,
/// and is as new after a reset.
final class HostileRingTests: VirtioTestCase {
    private typealias Flag = RingDriver.Flag

    /// What a driver does wrong, and what is found.
    private struct Case {
        let name: String
        let fault: VirtioRingFault
        let spoil: (VirtioWorld) -> Void
    }

    /// A good request that begins with descriptor 0: header in 0, data in 1, status in 2.
    private static func good(_ world: VirtioWorld) {
        let ring = world.driver.base
        world.writeHeader(VirtioType.read, sector: 0)
        world.driver.writeDescriptor(0, of: ring, world.header(0), 16, Flag.next, next: 1)
        world.driver.writeDescriptor(
            1, of: ring, VirtioWorld.data, 512, Flag.next | Flag.write, next: 2)
        world.driver.writeDescriptor(2, of: ring, world.statusPlace(0), 1, Flag.write)
    }

    /// The same in a table of 3 descriptors, which descriptor 0 names.
    private static func goodTable(_ world: VirtioWorld) {
        let table = world.driver.table(0)
        world.writeHeader(VirtioType.read, sector: 0)
        world.driver.writeDescriptor(0, of: world.driver.base, table, 48, Flag.indirect)
        world.driver.writeDescriptor(0, of: table, world.header(0), 16, Flag.next, next: 1)
        world.driver.writeDescriptor(
            1, of: table, VirtioWorld.data, 512, Flag.next | Flag.write, next: 2)
        world.driver.writeDescriptor(2, of: table, world.statusPlace(0), 1, Flag.write)
    }

    private static func offer(_ world: VirtioWorld, _ head: UInt16 = 0) {
        world.driver.offer(head)
        world.driver.publish()
    }

    /// One change of the good request in the ring.
    private static func chain(
        _ name: String, _ fault: VirtioRingFault, _ spoil: @escaping (RingDriver) -> Void
    ) -> Case {
        Case(name: name, fault: fault) { world in
            good(world)
            spoil(world.driver)
            offer(world)
        }
    }

    /// One change of the good request in a table.
    private static func table(
        _ name: String, _ fault: VirtioRingFault, _ spoil: @escaping (RingDriver) -> Void
    ) -> Case {
        Case(name: name, fault: fault) { world in
            goodTable(world)
            spoil(world.driver)
            offer(world)
        }
    }

    private static func word(_ ring: RingDriver, _ index: Int, _ offset: UInt64) -> UInt64 {
        ring.base + UInt64(16 * index) + offset
    }

    private static func tableWord(_ ring: RingDriver, _ index: Int, _ offset: UInt64) -> UInt64 {
        ring.table(0) + UInt64(16 * index) + offset
    }

    private static var cases: [Case] {
        [
            chain("a descriptor that leads to itself", .chainTooLong) {
                $0.store(UInt16(1), at: word($0, 1, 14))
            },
            chain("a loop of all descriptors", .chainTooLong) { ring in
                for index in 0..<ring.size {
                    ring.writeDescriptor(
                        index, of: ring.base, VirtioWorld.data, 16, Flag.next,
                        next: UInt16((index + 1) % ring.size))
                }
            },
            chain("a next descriptor outside of the ring", .descriptorIndex) {
                $0.store(UInt16($0.size), at: word($0, 0, 14))
            },
            chain("the last number as the next descriptor", .descriptorIndex) {
                $0.store(UInt16.max, at: word($0, 1, 14))
            },
            chain("a header of length 0", .emptyDescriptor) {
                $0.store(UInt32(0), at: word($0, 0, 8))
            },
            chain("data of length 0", .emptyDescriptor) { $0.store(UInt32(0), at: word($0, 1, 8)) },
            chain("a status of length 0", .emptyDescriptor) {
                $0.store(UInt32(0), at: word($0, 2, 8))
            },
            chain("a header that is too short", .header) {
                $0.store(UInt32(15), at: word($0, 0, 8))
            },
            chain("a header that the device is to write", .header) {
                $0.store(Flag.next | Flag.write, at: word($0, 0, 12))
            },
            chain("a header in a hole", .header) {
                $0.store(VirtioWorld.hole, at: word($0, 0, 0))
            },
            chain("a header at the end of the addresses", .header) {
                $0.store(UInt64.max - 7, at: word($0, 0, 0))
            },
            chain("a readable status", .readableAfterWritable) {
                $0.store(UInt16(0), at: word($0, 2, 12))
            },
            chain("no writable byte", .status) {
                $0.store(Flag.next, at: word($0, 1, 12))
                $0.store(UInt16(0), at: word($0, 2, 12))
            },
            chain("a status in a hole", .status) { $0.store(VirtioWorld.hole, at: word($0, 2, 0)) },
            chain("a status behind the last address", .status) {
                $0.store(UInt64.max, at: word($0, 2, 0))
                $0.store(UInt32(2), at: word($0, 2, 8))
            },
            chain("more than 2^32 bytes", .requestTooLarge) {
                $0.store(UInt32.max, at: word($0, 0, 8))
                $0.store(UInt32.max, at: word($0, 1, 8))
            },
            Case(name: "a request outside of the ring", fault: .descriptorIndex) { world in
                offer(world, UInt16(world.driver.size))
            },
            Case(name: "the last number as a request", fault: .descriptorIndex) { world in
                offer(world, .max)
            },
            Case(name: "more requests than descriptors", fault: .availableIndex) { world in
                world.driver.store(UInt16(world.driver.size + 1), at: world.driver.available + 2)
            },
            Case(name: "an index that goes back", fault: .availableIndex) { world in
                world.driver.store(UInt16.max, at: world.driver.available + 2)
            },
            table("a table of length 0", .tableSize) { $0.store(UInt32(0), at: word($0, 0, 8)) },
            table("a table of 47 bytes", .tableSize) { $0.store(UInt32(47), at: word($0, 0, 8)) },
            table("the largest table", .chainTooLong) {
                $0.store(UInt32.max & ~15, at: word($0, 0, 8))
            },
            table("one more descriptor than a ring can have", .chainTooLong) {
                $0.store(UInt32(16 * 257), at: word($0, 0, 8))
            },
            table("a table in a hole", .tableMemory) {
                $0.store(VirtioWorld.hole, at: word($0, 0, 0))
            },
            table("a table that ends in a hole", .tableMemory) {
                $0.store(UInt64(0x7F_FFF0), at: word($0, 0, 0))
            },
            table("a table at the end of the addresses", .tableMemory) {
                $0.store(UInt64.max - 15, at: word($0, 0, 0))
            },
            table("a table that is followed by more", .nestedTable) {
                $0.store(Flag.indirect | Flag.next, at: word($0, 0, 12))
            },
            table("a table in a table", .nestedTable) {
                $0.store(Flag.indirect, at: tableWord($0, 1, 12))
            },
            table("a table that is its own", .nestedTable) {
                $0.store($0.table(0), at: tableWord($0, 0, 0))
                $0.store(Flag.indirect, at: tableWord($0, 0, 12))
            },
            table("a loop in a table", .chainTooLong) {
                $0.store(UInt16(1), at: tableWord($0, 1, 14))
            },
            table("a next descriptor outside of its table", .descriptorIndex) {
                $0.store(UInt16(3), at: tableWord($0, 1, 14))
            },
            table("a readable descriptor after a writable one in a table", .readableAfterWritable) {
                $0.store(UInt16(0), at: tableWord($0, 2, 12))
            },
        ]
    }

    func testEachRule() throws {
        try forEachEngine { world, plain in
            for one in Self.cases {
                one.spoil(world)
                // The status is written when the host has completed the request.
                let service = world.queue.drain()
                XCTAssertTrue(service.isBroken, one.name)
                XCTAssertEqual(world.queue.fault, one.fault, one.name)
                XCTAssertFalse(world.queue.isRunning, one.name)
                XCTAssertFalse(world.queue.serve().isBroken, "\(one.name): said twice")
                XCTAssertEqual(world.status(0), VirtioStatus.untouched, one.name)
                try self.reset(world)
                let read = try world.run(
                    VirtioType.read, sector: 1, [world.segment(512, isWritable: true)])
                XCTAssertEqual(read.status, VirtioStatus.ok, one.name)
                self.expect(world.bytes(512), Self.content(at: 512, 512), one.name)
                try self.reset(world)
            }
        }
    }

    /// A new ring in the same memory.
    private func reset(_ world: VirtioWorld) throws {
        world.queue.reset()
        XCTAssertNil(world.queue.fault)
        _ = world.queue.drain()
        world.driver.restart()
        try world.queue.start(world.driver.layout)
        world.driver.store(VirtioStatus.untouched, at: world.statusPlace(0))
    }

    /// Without the feature, a table is no request.
    func testATableThatWasNotAgreedOn() throws {
        var options = VirtioWorld.Options()
        options.features = [.version1]
        options.hasEventIndex = false
        try forEachEngine(options) { world, _ in
            Self.goodTable(world)
            Self.offer(world)
            XCTAssertTrue(world.queue.serve().isBroken)
            XCTAssertEqual(world.queue.fault, .indirectRefused)
        }
    }

    /// Two requests that begin with one descriptor: the first completes, but the driver does not see it.
    func testOneDescriptorForTwoRequests() throws {
        try forEachEngine { world, _ in
            let rule = world.faults.add(.init(.hold, operations: [.read]))
            Self.good(world)
            Self.offer(world)
            XCTAssertEqual(world.queue.serve().taken, 1)
            Self.offer(world)
            XCTAssertTrue(world.queue.serve().isBroken)
            XCTAssertEqual(world.queue.fault, .headInUse)
            world.faults.remove(rule)
            world.faults.release()
            XCTAssertEqual(world.queue.drain().completed, 1)
            XCTAssertEqual(world.driver.reap().count, 0)
            XCTAssertEqual(world.status(0), VirtioStatus.untouched)
        }
    }

    func testRingsThatCannotBe() throws {
        let base: UInt64 = 0x1_0000
        let good = VirtqueueLayout(
            size: 64, descriptors: GuestAddress(base), available: GuestAddress(base + 0x8000),
            used: GuestAddress(base + 0xC000))
        let end: UInt64 = 8 << 20
        var cases: [(VirtqueueLayout, VirtioRingFault)] = []
        func add(_ fault: VirtioRingFault, _ change: (inout VirtqueueLayout) -> Void) {
            var layout = good
            change(&layout)
            cases.append((layout, fault))
        }
        for size in [0, -1, 3, 65, 512, 1 << 20, Int.max, Int.min] { add(.size) { $0.size = size } }
        add(.alignment) { $0.descriptors = GuestAddress(base + 8) }
        add(.alignment) { $0.available = GuestAddress(base + 0x8001) }
        add(.alignment) { $0.used = GuestAddress(base + 0xC002) }
        for address in [VirtioWorld.hole, end, UInt64.max & ~15] {
            add(.memory) { $0.descriptors = GuestAddress(address) }
            add(.memory) { $0.available = GuestAddress(address) }
            add(.memory) { $0.used = GuestAddress(address) }
        }
        // The last byte is outside.
        add(.memory) { $0.descriptors = GuestAddress(end - 16 * 64 + 16) }
        add(.memory) { $0.available = GuestAddress(end - 6 - 2 * 64 + 2) }
        add(.memory) { $0.used = GuestAddress(end - 4 - 8 * 64) }
        try forEachEngine { world, _ in
            _ = world.queue.end()
            for (layout, fault) in cases {
                XCTAssertThrowsError(try world.queue.start(layout)) {
                    XCTAssertEqual($0 as? VirtioError, .ring(fault), "\(layout)")
                }
                XCTAssertEqual(world.queue.serve(), VirtioService())
            }
            var last = good
            last.descriptors = GuestAddress(end - 16 * 64)
            try world.queue.start(last)
            XCTAssertThrowsError(try world.queue.start(good)) {
                XCTAssertEqual($0 as? VirtioError, .busy)
            }
        }
    }

    /// The memory of a ring is taken away, and comes back elsewhere in the map.
    func testARingWhoseMemoryGoes() throws {
        try forEachTarget(
            size: Self.size,
            where: { $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .owned }
        ) { configuration, target in
            let world = try VirtioWorld(configuration.open(target))
            let cover = try world.space.map(
                .hole(size: 4096), at: GuestAddress(world.driver.used), priority: 1)
            XCTAssertTrue(world.queue.serve().isBroken)
            XCTAssertEqual(world.queue.fault, .memory)
            try world.space.unmap(cover)
            try self.reset(world)
            // A change somewhere else does no harm.
            let other = try world.space.map(.hole(size: 4096), at: 0x4000_0000)
            XCTAssertEqual(try world.run(VirtioType.flush).status, VirtioStatus.ok)
            try world.space.unmap(other)
            XCTAssertEqual(try world.run(VirtioType.flush).status, VirtioStatus.ok)
        }
    }
}
