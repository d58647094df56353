import BlockIO
import Foundation
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// The registers of virtio-mmio (virtio 1.2, 4.2), as a driver sees them.
final class RegisterTests: MMIOTestCase {
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
}
