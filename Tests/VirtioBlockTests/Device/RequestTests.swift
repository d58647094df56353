import BlockIO
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Each kind of request (virtio 1.2, 5.2.6), on each engine.
final class RequestTests: VirtioTestCase {
    func testReadAndWriteInOneSegment() throws {
        try forEachEngine { world, plain in
            let read = try world.run(
                VirtioType.read, sector: 3, [world.segment(4096, isWritable: true)])
            XCTAssertEqual(read.status, VirtioStatus.ok)
            XCTAssertEqual(read.length, 4097)
            expect(world.bytes(4096), Self.content(at: 1536, 4096))
            world.fill(0xA5, 4096)
            let write = try world.run(
                VirtioType.write, sector: 16, [world.segment(4096, isWritable: false)])
            XCTAssertEqual(write.status, VirtioStatus.ok)
            XCTAssertEqual(write.length, 1)
            expect(
                try bytes(plain, at: 8192, 4096), [UInt8](repeating: 0xA5, count: 4096))
            expect(try bytes(plain, at: 8191, 1), Self.content(at: 8191, 1))
            expect(try bytes(plain, at: 12288, 1), Self.content(at: 12288, 1))
        }
    }

    /// 33 segments of 512 bytes, in the ring and in a table, are one request of the queue.
    func testManySegmentsAreOneRequestOfTheQueue() throws {
        for isIndirect in [false, true] {
            try forEachEngine { world, plain in
                let segments = (0..<33).map {
                    world.segment(
                        512, isWritable: true, at: VirtioWorld.data + UInt64($0) * 1024)
                }
                let read = try world.run(
                    VirtioType.read, sector: 1, segments, isIndirect: isIndirect)
                XCTAssertEqual(read.status, VirtioStatus.ok)
                XCTAssertEqual(read.length, 33 * 512 + 1)
                for index in 0..<33 {
                    let address = VirtioWorld.data + UInt64(index) * 1024
                    expect(
                        world.bytes(at: address, 512), Self.content(at: 512 * (index + 1), 512))
                }
                let statistics = world.queue.queue.statistics
                XCTAssertEqual(statistics.reads.operations, 1)
                XCTAssertEqual(world.queue.mapper.statistics.bouncedBytes, 0)
            }
        }
    }

    /// Version 1 gives no framing: header, data and status may be divided anywhere.
    func testFramingIsTheDriversChoice() throws {
        try forEachEngine { world, plain in
            world.fill(0x3C, 512)
            // The header in three pieces, the last with the first 100 bytes of data behind it.
            world.writeHeader(VirtioType.write, sector: 8)
            let header = world.header(0)
            let joint: UInt64 = 0x9_0000
            world.driver.store(world.driver.load(header + 8, as: UInt64.self), at: joint)
            world.fill(0x3C, at: joint + 8, 100)
            let head = world.driver.add([
                .init(address: header, length: 1), .init(address: header + 1, length: 7),
                .init(address: joint, length: 108),
                .init(address: VirtioWorld.data, length: 412),
                .init(address: world.statusPlace(0), length: 1, isWritable: true),
            ])
            world.driver.publish()
            let used = try world.finish(1)
            XCTAssertEqual(used[0].head, head)
            XCTAssertEqual(world.status(0), VirtioStatus.ok)
            expect(
                try bytes(plain, at: 4096, 512), [UInt8](repeating: 0x3C, count: 512))
            // The status is the last byte of the memory of the data.
            world.writeHeader(VirtioType.read, sector: 8)
            world.driver.add([
                .init(address: header, length: 16),
                .init(address: VirtioWorld.data, length: 500, isWritable: true),
                .init(address: 0xA_0000, length: 13, isWritable: true),
            ])
            world.driver.publish()
            XCTAssertEqual(try world.finish(1)[0].length, 513)
            expect(world.bytes(at: 0xA_0000, 13), [UInt8](repeating: 0x3C, count: 12) + [0])
            XCTAssertEqual(world.status(0), VirtioStatus.untouched)
        }
    }

    /// A chain in the ring may end with a table (2.7.5.3.2).
    func testATableAtTheEndOfAChain() throws {
        try forEachEngine { world, _ in
            world.writeHeader(VirtioType.read, sector: 2)
            let driver = world.driver
            driver.writeDescriptor(
                0, of: driver.base, world.header(0), 16, RingDriver.Flag.next, next: 5)
            driver.writeDescriptor(5, of: driver.base, driver.table(0), 32, 4)
            driver.writeDescriptor(
                0, of: driver.table(0), VirtioWorld.data, 512, 3, next: 1)
            driver.writeDescriptor(1, of: driver.table(0), world.statusPlace(0), 1, 2)
            driver.offer(0)
            driver.publish()
            XCTAssertEqual(try world.finish(1)[0].length, 513)
            expect(world.bytes(512), Self.content(at: 1024, 512))
        }
    }

    func testRequestsWithoutData() throws {
        try forEachEngine { world, _ in
            XCTAssertEqual(try world.run(VirtioType.read).status, VirtioStatus.ok)
            XCTAssertEqual(try world.run(VirtioType.write).length, 1)
            XCTAssertEqual(try world.run(VirtioType.flush).status, VirtioStatus.ok)
            XCTAssertEqual(world.queue.queue.statistics.flushes.operations, 1)
            XCTAssertEqual(try world.run(2).status, VirtioStatus.unsupported)
            XCTAssertEqual(
                try world.run(VirtioType.secureErase).status, VirtioStatus.unsupported)
            XCTAssertEqual(try world.run(.max).length, 1)
            XCTAssertEqual(world.queue.statistics.failures, 3)
        }
    }

    func testTheSerialNumber() throws {
        var options = VirtioWorld.Options()
        options.device.serial = "serial 0123456789"
        try forEachEngine(options) { world, _ in
            world.fill(0xFF, 32)
            let whole = try world.run(
                VirtioType.identify, [world.segment(20, isWritable: true)])
            XCTAssertEqual(whole.status, VirtioStatus.ok)
            XCTAssertEqual(whole.length, 21)
            let expected = Array("serial 0123456789".utf8) + [0, 0, 0]
            expect(world.bytes(20), expected)
            expect(world.bytes(at: VirtioWorld.data + 20, 12), .init(repeating: 0xFF, count: 12))
            // In memory that is too small, too large, in pieces, or not there.
            world.fill(0xFF, 32)
            let short = try world.run(VirtioType.identify, [world.segment(5, isWritable: true)])
            XCTAssertEqual(short.length, 6)
            expect(world.bytes(6), Array("seria".utf8) + [0xFF])
            let pieces = try world.run(
                VirtioType.identify,
                [
                    world.segment(3, isWritable: true),
                    world.segment(600, isWritable: true, at: VirtioWorld.data + 4096),
                ])
            XCTAssertEqual(pieces.length, 21)
            expect(world.bytes(at: VirtioWorld.data + 4096, 17), Array(expected[3...]))
            let lost = try world.run(
                VirtioType.identify, [world.segment(20, isWritable: true, at: VirtioWorld.hole)])
            XCTAssertEqual(lost.status, VirtioStatus.ioError)
            XCTAssertEqual(try world.run(VirtioType.identify).status, VirtioStatus.ok)
        }
    }

    func testRequestsOutsideOfTheDisk() throws {
        let sectors = UInt64(Self.size / 512)
        try forEachEngine { world, plain in
            for (sector, count) in [
                (sectors, 1), (sectors - 1, 2), (UInt64.max, 1), (1 << 55, 1), (.max / 512, 1),
            ] {
                for (type, isWritable) in [(VirtioType.read, true), (VirtioType.write, false)] {
                    let result = try world.run(
                        type, sector: sector, [world.segment(512 * count, isWritable: isWritable)])
                    XCTAssertEqual(result.status, VirtioStatus.ioError, "\(sector) \(count)")
                    XCTAssertEqual(result.length, 1)
                }
                XCTAssertEqual(
                    try world.runRange(
                        VirtioType.discard, sector: sector, count: UInt32(count)),
                    VirtioStatus.ioError)
                XCTAssertEqual(
                    try world.runRange(
                        VirtioType.writeZeroes, sector: sector, count: UInt32(count)),
                    VirtioStatus.ioError)
            }
            XCTAssertEqual(
                try world.run(
                    VirtioType.read, sector: sectors - 1, [world.segment(512, isWritable: true)]
                ).status, VirtioStatus.ok)
            // Not whole sectors.
            XCTAssertEqual(
                try world.run(VirtioType.read, [world.segment(511, isWritable: true)]).status,
                VirtioStatus.ioError)
            expect(
                try bytes(plain, at: 0, Self.size), Self.content(at: 0, Self.size))
        }
    }

    func testDataWithoutMemory() throws {
        try forEachEngine { world, plain in
            for address in [VirtioWorld.hole, UInt64.max - 100, 0x7F_FF00] {
                for (type, isWritable) in [(VirtioType.read, true), (VirtioType.write, false)] {
                    let result = try world.run(
                        type, [world.segment(512, isWritable: isWritable, at: address)])
                    XCTAssertEqual(result.status, VirtioStatus.ioError)
                }
            }
            XCTAssertEqual(
                try world.runRange(VirtioType.discard, sector: 0, count: 1), VirtioStatus.ok)
            XCTAssertFalse(world.services.contains { $0.isBroken })
        }
    }

    func testDiscardAndWriteZeroes() throws {
        try forEachEngine { world, plain in
            let cases: [(type: UInt32, flags: UInt32, expected: UInt8)] = [
                (VirtioType.discard, 0, VirtioStatus.ok),
                (VirtioType.discard, 1, VirtioStatus.unsupported),
                (VirtioType.discard, 2, VirtioStatus.unsupported),
                (VirtioType.writeZeroes, 0, VirtioStatus.ok),
                (VirtioType.writeZeroes, 1, VirtioStatus.ok),
                (VirtioType.writeZeroes, 2, VirtioStatus.unsupported),
                (VirtioType.writeZeroes, 3, VirtioStatus.unsupported),
            ]
            for (index, one) in cases.enumerated() {
                let start = 65536 * (index + 1)
                XCTAssertEqual(
                    try world.runRange(
                        one.type, sector: UInt64(start / 512), count: 16, flags: one.flags),
                    one.expected, "\(one)")
                let expected =
                    one.expected == VirtioStatus.ok
                    ? [UInt8](repeating: 0, count: 8192) : Self.content(at: start, 8192)
                expect(try bytes(plain, at: start, 8192), expected, "\(one)")
                expect(
                    try bytes(plain, at: start + 8192, 512), Self.content(at: start + 8192, 512))
            }
            // More and less than one range, and too many sectors.
            for type in [VirtioType.discard, VirtioType.writeZeroes] {
                XCTAssertEqual(
                    try world.runRange(type, sector: 0, count: 1, length: 32),
                    VirtioStatus.unsupported)
            }
            XCTAssertEqual(
                try world.runRange(VirtioType.discard, sector: 0, count: 1, length: 15),
                VirtioStatus.ioError)
            XCTAssertEqual(
                try world.runRange(VirtioType.writeZeroes, sector: 0, count: .max),
                VirtioStatus.ioError)
            XCTAssertEqual(try world.run(VirtioType.discard).status, VirtioStatus.ioError)
            expect(try bytes(plain, at: 0, 512), Self.content(at: 0, 512))
        }
    }

    func testRangesThatWereNotAgreedOn() throws {
        var options = VirtioWorld.Options()
        options.features = [.version1, .indirectDescriptors, .flush, .eventIndex]
        try forEachEngine(options) { world, plain in
            for type in [VirtioType.discard, VirtioType.writeZeroes] {
                XCTAssertEqual(
                    try world.runRange(type, sector: 0, count: 1), VirtioStatus.unsupported)
            }
            expect(try bytes(plain, at: 0, 512), Self.content(at: 0, 512))
        }
    }

    func testADiskThatCannotBeWritten() throws {
        try forEachEngine(access: .readOnly) { world, plain in
            XCTAssertTrue(world.device.offeredFeatures.contains(.readOnly))
            XCTAssertTrue(world.device.offeredFeatures.isDisjoint(with: [.discard, .writeZeroes]))
            XCTAssertEqual(
                try world.run(VirtioType.write, [world.segment(512, isWritable: false)]).status,
                VirtioStatus.ioError)
            XCTAssertEqual(
                try world.runRange(VirtioType.discard, sector: 0, count: 1),
                VirtioStatus.unsupported)
            XCTAssertEqual(
                try world.run(VirtioType.read, [world.segment(512, isWritable: true)]).status,
                VirtioStatus.ok)
            XCTAssertEqual(try world.run(VirtioType.flush).status, VirtioStatus.ok)
        }
    }

    /// Writes are stable when they complete, while the driver has the write cache off or cannot flush.
    func testWriteThrough() throws {
        try forEachEngine { world, _ in
            let write = [world.segment(512, isWritable: false)]
            _ = try world.run(VirtioType.write, write)
            XCTAssertEqual(world.queue.queue.statistics.durableWrites.operations, 0)
            XCTAssertTrue(world.device.writeConfiguration(at: 32, width: 1, value: 0))
            _ = try world.run(VirtioType.write, write)
            XCTAssertEqual(world.queue.queue.statistics.durableWrites.operations, 1)
            // Zeroes too, in one request of the queue.
            for flags: UInt32 in [0, 1] {
                let before = world.queue.queue.statistics
                XCTAssertEqual(
                    try world.runRange(VirtioType.writeZeroes, sector: 0, count: 8, flags: flags),
                    VirtioStatus.ok)
                let after = world.queue.queue.statistics
                XCTAssertEqual(after.writeZeroes.operations, before.writeZeroes.operations + 1)
                XCTAssertEqual(after.flushes.operations, 0)
                // It fails if the host cannot make them stable.
                world.faults.add(.init(.transientError(EIO), operations: [.flush], count: 1))
                XCTAssertEqual(
                    try world.runRange(VirtioType.writeZeroes, sector: 0, count: 8, flags: flags),
                    VirtioStatus.ioError)
            }
        }
        var options = VirtioWorld.Options()
        // With the option, the cache is off for a driver that can flush and cannot switch it.
        options.features = [.version1, .eventIndex, .flush]
        for isOn in [true, false] {
            options.device.isWriteCacheOn = isOn
            try forEachEngine(options) { world, _ in
                XCTAssertEqual(world.device.isWriteCacheOn, isOn)
                XCTAssertEqual(world.device.readConfiguration(at: 32, width: 1), isOn ? 1 : 0)
                _ = try world.run(VirtioType.write, [world.segment(512, isWritable: false)])
                XCTAssertEqual(
                    world.queue.queue.statistics.durableWrites.operations, isOn ? 0 : 1)
            }
        }
        options.device.isWriteCacheOn = true
        // The last driver cannot flush, although it can switch the cache, which is on at first.
        for features: VirtioFeatures in [
            [.version1, .eventIndex], [.version1, .eventIndex, .configurableWriteCache],
        ] {
            options.features = features
            try forEachEngine(options) { world, _ in
                XCTAssertFalse(world.device.isWriteCacheOn)
                XCTAssertEqual(world.device.readConfiguration(at: 32, width: 1), 0)
                _ = try world.run(VirtioType.write, [world.segment(512, isWritable: false)])
                XCTAssertEqual(world.queue.queue.statistics.durableWrites.operations, 1)
            }
        }
    }

    /// Memory that has no pages of the host passes through a bounce buffer, in pieces if it must.
    func testDataInADevice() throws {
        try forEachEngine { world, plain in
            let store = ByteDevice(size: 16384)
            try world.space.map(.mmio(store, size: 16384), at: GuestAddress(VirtioWorld.hole))
            let read = try world.run(
                VirtioType.read, sector: 1,
                [world.segment(16384, isWritable: true, at: VirtioWorld.hole)])
            XCTAssertEqual(read.status, VirtioStatus.ok)
            expect(store.bytes, Self.content(at: 512, 16384))
            let write = try world.run(
                VirtioType.write, sector: 100,
                [world.segment(16384, isWritable: false, at: VirtioWorld.hole)])
            XCTAssertEqual(write.status, VirtioStatus.ok)
            expect(try bytes(plain, at: 51200, 16384), Self.content(at: 512, 16384))
        }
    }
}
