import BlockIO
import Foundation
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// The registers of virtio-mmio (virtio 1.2, 4.2), as a driver sees them.
final class RegisterTests: VirtioTestCase {
    private func forEachMachine(
        access: OpenOptions.Access = .readWrite, queueCount: Int = 1, queueLimit: Int = 1,
        _ options: VirtioBlockOptions = .init(),
        _ check: (MMIOMachine, PlainFile) throws -> Void
    ) throws {
        try forEachTarget(
            size: Self.size,
            where: { $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .shared }
        ) { configuration, target in
            let plain = try PlainFile(target.path, direct: false)
            let buffer = AlignedBuffer(count: Self.size)
            for index in 0..<Self.size { buffer.bytes[index] = Self.content(index) }
            try plain.write(buffer.bytes, at: 0)
            weak var mmio: VirtioMMIO?
            do {
                let image = try BlockImage.open(
                    target.path,
                    OpenOptions(
                        access: access, engine: .forced(configuration.engine),
                        queueLimit: queueLimit))
                let machine = try MMIOMachine(image, queueCount: queueCount, options)
                mmio = machine.mmio
                try check(machine, plain)
            }
            XCTAssertNil(mmio)
        }
    }

    private let read4K: [RingDriver.Segment] = [
        .init(address: 0x60_0000, length: 4096, isWritable: true)
    ]

    func testWhatTheDeviceIs() throws {
        try forEachMachine { machine, _ in
            XCTAssertEqual(machine.read(0x00), 0x7472_6976)
            XCTAssertEqual(machine.read(0x04), 2)
            XCTAssertEqual(machine.read(0x08), 2)
            XCTAssertEqual(machine.read(0x34), 256)
            machine.write(0x30, 1)
            XCTAssertEqual(machine.read(0x34), 0)
            XCTAssertEqual(machine.read(0x44), 0)
            XCTAssertEqual(machine.read(0xB0), .max)
            XCTAssertEqual(machine.read(0xB4), .max)
            var features: UInt64 = 0
            for half: UInt32 in 0..<2 {
                machine.write(0x14, half)
                features |= UInt64(machine.read(0x10)) << (32 * UInt64(half))
            }
            XCTAssertEqual(features, machine.mmio.device.offeredFeatures.rawValue)
            XCTAssertEqual(
                features & (1 << 32 | 1 << 28 | 1 << 29 | 1 << 9),
                1 << 32 | 1 << 28 | 1 << 29 | 1 << 9)
            machine.write(0x14, 2)
            XCTAssertEqual(machine.read(0x10), 0)
            // Accesses that are not 32 bits wide.
            XCTAssertEqual(machine.mmio.read(offset: 0, width: 2), 0)
            XCTAssertTrue(machine.mmio.write(offset: 0x70, width: 1, value: 1))
            XCTAssertEqual(machine.status, 0)
        }
    }

    func testFeaturesThatAreNotOffered() throws {
        try forEachMachine { machine, _ in
            XCTAssertFalse(machine.negotiate(1 << 32 | 1 << 34))
            XCTAssertEqual(machine.mmio.device.features, [])
            // Without version 1.
            XCTAssertFalse(machine.negotiate(1 << 9))
            machine.status = 15
            XCTAssertEqual(machine.status & 4, 0)
            XCTAssertTrue(machine.negotiate(1 << 32))
            XCTAssertEqual(machine.mmio.device.features, .version1)
            // What was agreed on stays until the reset.
            machine.write(0x24, 0)
            machine.write(0x20, 1 << 9)
            machine.status = 15
            XCTAssertEqual(machine.mmio.device.features, .version1)
            machine.status = 0
            XCTAssertEqual(machine.status, 0)
            XCTAssertEqual(machine.mmio.device.features, [])
        }
    }

    func testRequestsAndInterrupts() throws {
        try forEachMachine { machine, plain in
            try machine.start()
            XCTAssertEqual(machine.status, 15)
            XCTAssertEqual(
                try machine.run(VirtioType.read, sector: 9, self.read4K), VirtioStatus.ok)
            self.expect(machine.bytes(at: 0x60_0000, 4096), Self.content(at: 4608, 4096))
            XCTAssertFalse(machine.heard.isRaised)
            XCTAssertEqual(machine.read(0x60), 0)
            memset(machine.ram.base + 0x60_0000, 0x77, 512)
            XCTAssertEqual(
                try machine.run(
                    VirtioType.write, sector: 1, [.init(address: 0x60_0000, length: 512)]),
                VirtioStatus.ok)
            self.expect(try self.bytes(plain, at: 512, 512), .init(repeating: 0x77, count: 512))
            // 20 requests, one after the other added, and one interrupt is enough for many.
            let rule = machine.faults.add(.init(.hold, operations: [.read]))
            let before = machine.heard.raises
            for index in 0..<20 { machine.add(VirtioType.read, self.read4K, index: index) }
            XCTAssertEqual(machine.heard.raises, before)
            machine.faults.remove(rule)
            machine.faults.release()
            try machine.poll {
                machine.rings[0].load(machine.rings[0].used + 2, as: UInt16.self) == 22
            }
            XCTAssertEqual(machine.heard.raises, before + 1)
            XCTAssertEqual(machine.read(0x60), 1)
            machine.write(0x64, 2)
            XCTAssertTrue(machine.heard.isRaised)
            machine.write(0x64, 1)
            XCTAssertFalse(machine.heard.isRaised)
        }
    }

    /// Notifications before DRIVER_OK do nothing; what the ring has then is taken at DRIVER_OK.
    func testRequestsBeforeDriverOK() throws {
        try forEachMachine { machine, _ in
            XCTAssertTrue(machine.negotiate())
            machine.makeReady(0)
            XCTAssertEqual(machine.read(0x44), 1)
            machine.add(VirtioType.flush)
            machine.write(0x50, 0)
            machine.mmio.poll()
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.untouched)
            machine.status = 15
            XCTAssertEqual(try machine.takeInterrupt(), 1)
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
            // A queue that does not exist.
            machine.write(0x50, 1)
            machine.write(0x50, .max)
        }
    }

    func testTheConfigurationSpace() throws {
        try forEachMachine { machine, plain in
            let sectors = UInt32(Self.size / 512)
            XCTAssertEqual(machine.read(0x100), sectors)
            XCTAssertEqual(machine.read(0x104), 0)
            // What a ring of 128 descriptors holds, unless descriptors can be in tables.
            XCTAssertEqual(machine.read(0x10C), 126)
            XCTAssertTrue(machine.negotiate(1 << 32))
            XCTAssertEqual(machine.read(0x10C), 126)
            XCTAssertTrue(machine.negotiate())
            XCTAssertEqual(machine.read(0x10C), 254)
            machine.status = 0
            XCTAssertEqual(machine.read(0x114), 512)
            // The page of a tmpfs is 8 logical blocks.
            XCTAssertEqual(machine.read(0x118), 8 << 16 | 3)
            XCTAssertEqual(machine.read(0x120) & 0xFF, 1)
            XCTAssertEqual(machine.read(0x124), 1 << 21)
            XCTAssertEqual(machine.read(0x128), 1)
            XCTAssertEqual(machine.read(0x12C), 8)
            XCTAssertEqual(machine.read(0x130), 1 << 21)
            XCTAssertEqual(machine.read(0x134), 1)
            XCTAssertEqual(machine.read(0x138), 1)
            XCTAssertEqual(machine.read(0x13C), 0)
            // In bytes, and behind the end.
            XCTAssertEqual(
                try machine.space.load(at: MMIOMachine.registers &+ 0x101, as: UInt8.self),
                UInt8(sectors >> 8))
            XCTAssertEqual(machine.mmio.device.readConfiguration(at: .max, width: 8), 0)
            XCTAssertEqual(machine.mmio.device.readConfiguration(at: -4, width: 4), 0)
            // The write cache can be switched when that was agreed on.
            let writeback = MMIOMachine.registers &+ 0x120
            try machine.space.store(UInt8(0), at: writeback)
            XCTAssertEqual(machine.read(0x120) & 0xFF, 1)
            try machine.start()
            try machine.space.store(UInt8(0), at: writeback)
            XCTAssertEqual(machine.read(0x120) & 0xFF, 0)
            machine.write(0x100, 0)
            XCTAssertEqual(machine.read(0x100), sectors)
            machine.status = 0
            XCTAssertEqual(machine.read(0x120) & 0xFF, 1)
        }
    }

    func testTheSegmentsOfASmallQueue() throws {
        try forEachMachine(VirtioBlockOptions(maximumQueueSize: 64)) { machine, _ in
            XCTAssertEqual(machine.read(0x10C), 62)
        }
    }

    /// The configuration space has the size that the driver was told last: a driver that finds the same
    /// generation before and after has not read half of one size and half of another.
    func testTheSizeThatTheDriverKnows() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            let size = machine.mmio.device.image.size
            let sectors = UInt32(size / 512)
            let generation = machine.read(0xFC)
            try machine.mmio.withQueue(0) { queue in try queue.resize(to: size + 65536) }
            XCTAssertEqual(machine.read(0x100), sectors)
            XCTAssertEqual(machine.read(0xFC), generation)
            XCTAssertFalse(machine.heard.isRaised)
            machine.mmio.noteSize()
            XCTAssertEqual(machine.read(0x100), sectors + 128)
            XCTAssertEqual(machine.read(0xFC), generation &+ 1)
            XCTAssertEqual(try machine.takeInterrupt(), 2)
            // A request finds out as well, and so does a reset.
            try machine.mmio.withQueue(0) { queue in try queue.resize(to: size) }
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
            XCTAssertEqual(machine.read(0x100), sectors)
            try machine.mmio.withQueue(0) { queue in try queue.resize(to: size + 65536) }
            machine.status = 0
            XCTAssertEqual(machine.read(0x100), sectors + 128)
            XCTAssertEqual(machine.read(0xFC), generation &+ 3)
        }
    }

    func testADiskThatGrows() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            let size = machine.mmio.device.image.size
            let generation = machine.read(0xFC)
            machine.mmio.noteSize()
            XCTAssertFalse(machine.heard.isRaised)
            XCTAssertEqual(
                try machine.run(VirtioType.read, sector: size / 512, self.read4K),
                VirtioStatus.ioError)
            try machine.mmio.resize(to: size + 65536)
            XCTAssertEqual(try machine.takeInterrupt(), 2)
            XCTAssertNotEqual(machine.read(0xFC), generation)
            XCTAssertEqual(machine.read(0x100), UInt32(size / 512 + 128))
            XCTAssertEqual(
                try machine.run(VirtioType.read, sector: size / 512, self.read4K),
                VirtioStatus.ok)
            XCTAssertThrowsError(try machine.mmio.resize(to: 511))
            try machine.mmio.resize(to: size)
        }
    }

    /// A hostile ring, and rings that cannot be.
    func testDeviceNeedsReset() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            machine.rings[0].offer(64)
            machine.rings[0].publish()
            machine.write(0x50, 0)
            XCTAssertEqual(machine.status, 15 | 64)
            XCTAssertEqual(try machine.takeInterrupt(), 2)
            try machine.start()
            XCTAssertEqual(machine.status, 15)
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
            for layout in [
                VirtqueueLayout(size: 3, descriptors: 0, available: 0x1000, used: 0x2000),
                VirtqueueLayout(size: 64, descriptors: 8, available: 0x1000, used: 0x2000),
                VirtqueueLayout(
                    size: 64, descriptors: 0, available: 0x1000, used: MMIOMachine.registers),
            ] {
                XCTAssertTrue(machine.negotiate())
                machine.describe(0, layout)
                machine.status = 15
                XCTAssertEqual(machine.status, 15 | 64)
                machine.write(0x50, 0)
            }
        }
    }

    /// Requests whose memory is the registers of the device itself.
    func testTheDevicesOwnRegisters() throws {
        try forEachMachine { machine, plain in
            try machine.start()
            for offset: UInt64 in [0x50, 0x70] {
                let own = MMIOMachine.registers.rawValue + offset
                XCTAssertEqual(
                    try machine.run(
                        VirtioType.read,
                        [
                            .init(address: own, length: 4, isWritable: true),
                            .init(address: 0x60_0000, length: 508, isWritable: true),
                        ]), VirtioStatus.ioError)
            }
            XCTAssertEqual(machine.status, 15)
        }
    }

    /// A reset with requests under way: the status is 0 when the host has none of them.
    func testResetWithRequestsUnderWay() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            let rule = machine.faults.add(.init(.hold, operations: [.read]))
            machine.add(VirtioType.read, self.read4K)
            XCTAssertTrue(machine.mmio.isBusy)
            machine.status = 0
            XCTAssertEqual(machine.status, 64)
            machine.write(0x30, 0)
            XCTAssertEqual(machine.read(0x44), 1)
            // A driver that does not wait: its requests do.
            try machine.start()
            machine.add(VirtioType.flush, index: 1)
            machine.mmio.poll()
            XCTAssertEqual(machine.requestStatus(1), VirtioStatus.untouched)
            machine.faults.remove(rule)
            machine.faults.release()
            XCTAssertEqual(try machine.takeInterrupt(), 1)
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.untouched)
            XCTAssertEqual(machine.requestStatus(1), VirtioStatus.ok)
            machine.status = 0
            XCTAssertEqual(machine.status, 0)
            XCTAssertFalse(machine.mmio.isBusy)
        }
    }

    /// One queue is taken back and made ready again.
    func testAQueueThatIsNoLongerReady() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
            machine.write(0x30, 0)
            machine.write(0x38, 3)
            machine.write(0x44, 0)
            XCTAssertEqual(machine.read(0x44), 0)
            machine.add(VirtioType.flush)
            machine.write(0x50, 0)
            machine.mmio.poll()
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.untouched)
            machine.makeReady(0)
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
        }
    }

    /// A read-only disk has as many queues as are wanted.
    func testSeveralQueues() throws {
        try forEachMachine(access: .readOnly, queueCount: 4) { machine, _ in
            try machine.start()
            XCTAssertTrue(machine.mmio.device.features.contains([.multipleQueues, .readOnly]))
            XCTAssertEqual(machine.read(0x120) >> 16, 4)
            for queue in 0..<4 {
                XCTAssertEqual(
                    try machine.run(
                        VirtioType.read, sector: UInt64(queue), self.read4K, queue: queue),
                    VirtioStatus.ok)
                self.expect(
                    machine.bytes(at: 0x60_0000, 4096), Self.content(at: 512 * queue, 4096))
                XCTAssertEqual(machine.mmio.statistics(ofQueue: queue).requests, 1)
            }
            XCTAssertThrowsError(
                try VirtioMMIO(machine.mmio.device, [], on: machine.space) { _ in })
        }
    }

    func testThePolicyStop() throws {
        var options = VirtioBlockOptions()
        options.readErrorPolicy = .stop
        try forEachMachine(options) { machine, _ in
            try machine.start()
            machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
            machine.add(VirtioType.read, self.read4K)
            try machine.poll { machine.heard.stops == 1 }
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.untouched)
            XCTAssertFalse(machine.mmio.isBusy)
            machine.mmio.retry()
            try machine.takeInterrupt()
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
        }
    }

    /// An access may be DMA of another device under the lock of its queue, which the thread that has this
    /// queue may be waiting for: no access waits for a queue, and what it asks for is done nevertheless.
    func testAccessesDoNotWaitForAQueue() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            // This thread has the queue, as one that is at work on a request.
            try machine.mmio.withQueue(0) { _ in
                let ring = machine.rings[0]
                ring.store(VirtioType.flush, at: machine.header(0))
                ring.store(VirtioStatus.untouched, at: machine.header(0) + 32)
                ring.add([
                    .init(address: machine.header(0), length: 16),
                    .init(address: machine.header(0) + 32, length: 1, isWritable: true),
                ])
                ring.publish()
                let found = try machine.onAnotherThread { mmio in
                    _ = mmio.write(offset: 0x50, width: 4, value: 0)
                    return [0x44, 0x70].map { mmio.read(offset: $0, width: 4) }
                }
                XCTAssertEqual(found, [1, 15])
                XCTAssertEqual(machine.requestStatus(0), VirtioStatus.untouched)
            }
            try machine.takeInterrupt()
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
            // A reset has not ended before the queue has been reset.
            try machine.mmio.withQueue(0) { _ in
                let found = try machine.onAnotherThread { mmio in
                    _ = mmio.write(offset: 0x70, width: 4, value: 0)
                    _ = mmio.write(offset: 0x30, width: 4, value: 0)
                    return [0x44, 0x70].map { mmio.read(offset: $0, width: 4) }
                }
                XCTAssertEqual(found, [1, 64])
            }
            XCTAssertEqual(machine.status, 0)
            XCTAssertEqual(machine.read(0x44), 0)
            try machine.start()
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
        }
    }

    /// Accesses leave few jobs for a queue that another thread has, whatever their number.
    func testTheJobsOfABusyQueueStayFew() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            // Each ring that is started has one request, because a new ring begins at index 0.
            machine.add(VirtioType.secureErase)
            XCTAssertEqual(machine.mmio.statistics(ofQueue: 0).requests, 1)
            var most = 0
            machine.write(0x30, 0)
            machine.mmio.withQueue(0) { _ in
                for _ in 0..<10_000 {
                    for (register, value): (UInt64, UInt32) in [(0x44, 0), (0x44, 1), (0x50, 0)] {
                        machine.write(register, value)
                        most = max(most, machine.mmio.queues[0].jobCount)
                    }
                }
            }
            // A reset, a service from before it, a start, and a service.
            XCTAssertEqual(most, 4)
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 0)
            XCTAssertEqual(machine.mmio.statistics(ofQueue: 0).requests, 2)
            try machine.takeInterrupt()
            XCTAssertEqual(machine.rings[0].reap().count, 1)
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
            machine.mmio.withQueue(0) { _ in
                for _ in 0..<10_000 { machine.status = 0 }
                XCTAssertEqual(machine.mmio.queues[0].jobCount, 1)
                XCTAssertEqual(machine.status, 64)
            }
            XCTAssertEqual(machine.status, 0)
            try machine.start()
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
        }
    }

    /// A queue that gets a new request and a notification with each request that it carries out: the thread
    /// that has the queue leaves it, and asks for a poll.
    func testNotificationsDoNotKeepAThread() throws {
        // So that the test ends when it fails.
        let limit = 20_000
        try forEachRenewingDevice(limit: limit) { machine, device in
            machine.write(0x50, 0)
            let ofAccess = device.writes
            XCTAssertGreaterThan(ofAccess, 2)
            XCTAssertLessThan(ofAccess, limit / 10)
            let polls = machine.heard.polls
            XCTAssertGreaterThan(polls, 0)
            machine.mmio.poll()
            XCTAssertGreaterThan(device.writes, ofAccess)
            XCTAssertLessThan(device.writes, limit / 10)
            XCTAssertGreaterThan(machine.heard.polls, polls)
            device.stop()
            machine.mmio.poll()
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 0)
            XCTAssertEqual(
                machine.mmio.statistics(ofQueue: 0).requests, UInt64(device.writes))
            XCTAssertEqual(machine.status, 15)
        }
    }

    /// A notification that comes with the last request that an access carries out is not lost, although the
    /// ring has no further request at that time.
    func testTheJobThatIsLeftAsksForAPoll() throws {
        // All requests that one access carries out.
        let limit = LockedQueue.roundLimit * 64
        try forEachRenewingDevice(limit: limit) { machine, device in
            machine.write(0x50, 0)
            XCTAssertEqual(device.writes, limit)
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 1)
            XCTAssertEqual(machine.heard.polls, 1)
            machine.mmio.poll()
            XCTAssertEqual(machine.mmio.queues[0].jobCount, 0)
            XCTAssertEqual(machine.heard.polls, 1)
        }
    }

    /// Runs `check` with a machine that has two requests available whose data is a ``RenewingDevice``. The
    /// disk has not been notified of them.
    private func forEachRenewingDevice(
        limit: Int, _ check: (MMIOMachine, RenewingDevice) throws -> Void
    ) throws {
        try forEachMachine { machine, _ in
            try machine.start()
            let ring = machine.rings[0]
            let place: GuestAddress = 0xE000_0000
            let heads = (0..<2).map { index in
                ring.store(VirtioType.identify, at: machine.header(index))
                ring.store(VirtioStatus.untouched, at: machine.header(index) + 32)
                return ring.add([
                    .init(address: machine.header(index), length: 16),
                    .init(address: place.rawValue, length: 4, isWritable: true),
                    .init(address: machine.header(index) + 32, length: 1, isWritable: true),
                ])
            }
            let device = RenewingDevice(machine.mmio, ring, heads: heads, limit: limit)
            let region = try machine.space.map(
                .mmio(device, size: RenewingDevice.size), at: place)
            defer { try? machine.space.unmap(region) }
            ring.publish()
            try check(machine, device)
        }
    }

    /// What a queue does between the write to the status register and its own reset is of before the reset.
    func testNoInterruptComesAfterAReset() throws {
        try forEachMachine { machine, _ in
            try machine.start()
            let before = machine.mmio.resetNumber
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
            machine.status = 0
            machine.mmio.raise(InterruptStatus.used, afterReset: before)
            XCTAssertEqual(machine.read(0x60), 0)
            XCTAssertFalse(machine.heard.isRaised)
        }
    }

    /// Two devices whose DMA notifies each other, each on a thread of its own.
    func testTwoDevicesThatNotifyEachOther() throws {
        try forEachMachine { machine, _ in
            try forEachMachine { other, _ in
                // The registers of each are in the memory of the other.
                let place = MMIOMachine.registers &+ 0x1000
                let regions = (
                    try machine.space.map(.mmio(other.mmio, size: VirtioMMIO.size), at: place),
                    try other.space.map(.mmio(machine.mmio, size: VirtioMMIO.size), at: place)
                )
                defer {
                    try? machine.space.unmap(regions.0)
                    try? other.space.unmap(regions.1)
                }
                for one in [machine, other] {
                    try one.start()
                    // Zeroes, for queue 0.
                    XCTAssertEqual(
                        try one.run(VirtioType.write, [.init(address: 0x61_0000, length: 512)]),
                        VirtioStatus.ok)
                }
                let ended = Locked(0)
                let rounds = [machine, other].map {
                    Unmanaged.passRetained(NotifyingRounds($0, at: place &+ 0x50))
                }
                for index in 0..<2 {
                    nonisolated(unsafe) let one = rounds[index]
                    Thread.detachNewThread {
                        one._withUnsafeGuaranteedRef { $0.run(200) }
                        ended.withLock { $0 += 1 }
                    }
                }
                try eventually("both have ended") { ended.withLock { $0 == 2 } }
                // Not if they have not ended: the threads have no references.
                for one in rounds { one.release() }
                XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
                XCTAssertEqual(other.requestStatus(0), VirtioStatus.ok)
            }
        }
    }

    /// A driver whose requests have its device write to the registers of another one.
    private final class NotifyingRounds {
        private let machine: MMIOMachine
        private let target: GuestAddress

        init(_ machine: MMIOMachine, at target: GuestAddress) {
            self.machine = machine
            self.target = target
        }

        func run(_ count: Int) {
            for _ in 0..<count {
                machine.add(
                    VirtioType.read,
                    [
                        .init(address: target.rawValue, length: 4, isWritable: true),
                        .init(address: 0x60_0000, length: 508, isWritable: true),
                    ])
                while machine.rings[0].reap().isEmpty { machine.mmio.poll() }
            }
        }
    }

    /// The size is changed while another queue has a write: that queue has to be served for it.
    func testTheSizeIsChangedWhileAnotherQueueWrites() throws {
        try forEachMachine(queueCount: 2, queueLimit: 2) { machine, _ in
            try machine.start()
            let size = machine.mmio.device.image.size
            let rule = machine.faults.add(.init(.hold, operations: [.write]))
            machine.add(VirtioType.write, [.init(address: 0x60_0000, length: 4096)], queue: 1)
            XCTAssertTrue(machine.mmio.isBusy)
            machine.faults.remove(rule)
            machine.faults.release()
            // Nobody else serves the queues.
            let isDone = try machine.onAnotherThread { mmio in
                (try? mmio.resize(to: size + 65536)) != nil
            }
            XCTAssertTrue(isDone)
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
            XCTAssertEqual(machine.read(0x100), UInt32(size / 512 + 128))
            XCTAssertEqual(machine.read(0x60), 3)
        }
    }
}
