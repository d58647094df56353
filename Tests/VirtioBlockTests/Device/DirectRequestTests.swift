import BlockIO
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Requests of the fast path: data that is RAM in one piece.
final class DirectRequestTests: VirtioTestCase {
    private func read(_ world: VirtioWorld, at address: UInt64, index: Int = 0) {
        world.add(
            VirtioType.read, sector: UInt64(8 * index),
            [world.segment(4096, isWritable: true, at: address)], index: index,
            isIndirect: index % 2 == 1)
    }

    /// Data in several regions, one after the other, in descriptors of the ring and in tables; reads mark
    /// the pages that they have written, and those of the status, and no others.
    func testPagesAreMarked() throws {
        try forEachEngine { world, plain in
            let other = try GuestRAM(size: 1 << 20)
            try world.space.map(.ram(other), at: 0x4000_0000)
            for ram in [world.ram, other] { ram.dirtyLog.start(.migration) }
            let places: [UInt64] = [
                VirtioWorld.data, 0x4000_0000, VirtioWorld.data + 0x2800, 0x4000_5000,
            ]
            for (index, place) in places.enumerated() {
                self.read(world, at: place, index: index)
            }
            world.driver.publish()
            _ = try world.finish(4)
            for index in 0..<4 { XCTAssertEqual(world.status(index), VirtioStatus.ok) }
            self.expect(world.bytes(4096), Self.content(at: 0, 4096))
            self.expect(
                world.bytes(at: VirtioWorld.data + 0x2800, 4096), Self.content(at: 8192, 4096))
            self.expect(
                [UInt8](UnsafeRawBufferPointer(start: other.base + 0x5000, count: 4096)),
                Self.content(at: 12288, 4096))
            var pages: [Int] = []
            other.dirtyLog.take(.migration) { pages += $0 }
            XCTAssertEqual(pages, [0, 5])
            pages = []
            world.ram.dirtyLog.take(.migration) { pages += $0 }
            // The used ring, the status, and the data.
            let (used, data) = (Int(world.driver.used >> 12), Int(VirtioWorld.data >> 12))
            XCTAssertEqual(pages, [used, 0x80, data, data + 2, data + 3])
            // A write marks the used ring and the status only.
            _ = try world.run(VirtioType.write, [world.segment(4096, isWritable: false)])
            pages = []
            world.ram.dirtyLog.take(.migration) { pages += $0 }
            XCTAssertEqual(pages, [used, 0x80])
            XCTAssertEqual(world.queue.mapper.statistics.directBytes, 5 * 4096)
        }
    }

    /// The memory of a request stays until the host has completed it, and goes then.
    func testMemoryIsTakenAwayMeanwhile() throws {
        try forEachEngine { world, _ in
            let other = try GuestRAM(size: 1 << 20)
            let region = try world.space.map(.ram(other), at: 0x4000_0000)
            let rule = world.faults.add(.init(.hold, operations: [.read]))
            for index in 0..<3 {
                self.read(world, at: 0x4000_0000 + UInt64(4096 * index), index: index)
            }
            world.driver.publish()
            XCTAssertEqual(world.queue.serve().taken, 3)
            let isReleased = Locked(false)
            try world.space.unmap(region) { isReleased.withLock { $0 = true } }
            _ = world.queue.serve()
            XCTAssertFalse(isReleased.withLock { $0 })
            world.faults.remove(rule)
            world.faults.release()
            _ = try world.finish(3)
            XCTAssertTrue(isReleased.withLock { $0 })
            for index in 0..<3 {
                XCTAssertEqual(world.status(index), VirtioStatus.ok)
                self.expect(
                    [UInt8](UnsafeRawBufferPointer(start: other.base + 4096 * index, count: 4096)),
                    Self.content(at: 4096 * index, 4096))
            }
            self.read(world, at: 0x4000_0000)
            world.driver.publish()
            _ = try world.finish(1)
            XCTAssertEqual(world.status(0), VirtioStatus.ioError)
            XCTAssertEqual(world.queue.mapper.statistics.active, 0)
        }
    }

    /// A file that another process makes shorter: before a request, and while the host has it.
    func testMemoryIsLost() throws {
        try GuestRAM.surviveTruncation()
        for isUnderWay in [false, true] {
            try forEachEngine { world, _ in
                let peer = try PeerFile(size: 16 * 4096, fill: 0x5A)
                let shared = try GuestRAM(descriptor: peer.descriptor, size: 16 * 4096)
                try world.space.map(.ram(shared), at: 0x4000_0000)
                let rule = world.faults.add(.init(.hold, operations: [.read]))
                if isUnderWay {
                    self.read(world, at: 0x4000_8000)
                    self.read(world, at: 0x4000_0000, index: 1)
                    world.driver.publish()
                    XCTAssertEqual(world.queue.serve().taken, 2)
                }
                try peer.shorten(to: 4 * 4096)
                // Somebody finds out.
                var byte: UInt8 = 0
                XCTAssertThrowsError(
                    try withUnsafeMutableBytes(of: &byte) {
                        try world.space.read(at: 0x4000_8000, into: $0)
                    })
                if !isUnderWay {
                    self.read(world, at: 0x4000_8000)
                    self.read(world, at: 0x4000_0000, index: 1)
                    world.driver.publish()
                    _ = world.queue.serve()
                }
                world.faults.remove(rule)
                world.faults.release()
                // In the second case, the first may have been used by the visit above.
                _ = world.queue.drain()
                XCTAssertEqual(world.driver.reap().count, 2)
                XCTAssertEqual(world.status(0), VirtioStatus.ioError)
                XCTAssertEqual(world.status(1), VirtioStatus.ok)
                XCTAssertNil(world.queue.fault)
                XCTAssertEqual(world.queue.mapper.statistics.active, 0)
            }
        }
    }

    /// A status in memory that is lost breaks the ring, and nothing else.
    func testAStatusThatIsLost() throws {
        try GuestRAM.surviveTruncation()
        try forEachEngine { world, _ in
            let peer = try PeerFile(size: 2 * 4096, fill: 0x5A)
            let shared = try GuestRAM(descriptor: peer.descriptor, size: 2 * 4096)
            try world.space.map(.ram(shared), at: 0x4000_0000)
            try peer.shorten(to: 4096)
            world.writeHeader(VirtioType.read, sector: 0)
            world.driver.add([
                .init(address: world.header(0), length: 16),
                .init(address: VirtioWorld.data, length: 512, isWritable: true),
                .init(address: 0x4000_1000, length: 1, isWritable: true),
            ])
            world.driver.publish()
            XCTAssertTrue(world.queue.drain().isBroken)
            XCTAssertEqual(world.queue.fault, .status)
        }
    }

    /// A write that the driver makes available after it has switched the cache off is durable.
    func testWritesAfterTheCacheIsOff() throws {
        try forEachEngine { world, _ in
            let write = [world.segment(512, isWritable: false)]
            world.add(VirtioType.write, write)
            world.driver.publish()
            _ = world.queue.serve()
            XCTAssertTrue(world.device.writeConfiguration(at: 32, width: 1, value: 0))
            world.add(VirtioType.write, write, index: 1)
            world.driver.publish()
            _ = world.queue.drain()
            XCTAssertEqual(world.driver.reap().count, 2)
            XCTAssertEqual(world.queue.queue.statistics.durableWrites.operations, 1)
            XCTAssertEqual(world.queue.queue.statistics.writes.operations, 2)
        }
    }
}
