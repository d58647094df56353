import CTestSupport
import GuestMemory
import VhostUserServer
import XCTest

@testable import TestSupport

/// The memory table.
final class MemoryTests: FrontEndTestCase {
    private func add(
        _ frontEnd: FrontEnd, _ region: [UInt8], _ descriptors: [CInt]
    ) throws -> UInt64 {
        try frontEnd.socket.acknowledgement(
            VhostRequest.addMemReg, le(UInt64(0)) + region, descriptors)
    }

    private func remove(_ frontEnd: FrontEnd, _ region: [UInt8]) throws -> UInt64 {
        try frontEnd.socket.acknowledgement(VhostRequest.remMemReg, le(UInt64(0)) + region)
    }

    func testRegionsThatCannotBe() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let file = Descriptor(try SystemCall.check(cts_memfd(8192), "memfd_create"))
        let fd = file.raw
        let user = FrontEnd.userBase
        let wrong: [(String, [UInt8], [CInt])] = [
            ("no size", FrontEnd.region(guest: 0, size: 0, user: user), [fd]),
            ("no descriptor", FrontEnd.region(guest: 0, size: 4096, user: user), []),
            ("two descriptors", FrontEnd.region(guest: 0, size: 4096, user: user), [fd, fd]),
            ("longer than the file", FrontEnd.region(guest: 0, size: 8193, user: user), [fd]),
            (
                "past the file", FrontEnd.region(guest: 0, size: 4096, user: user, offset: 8192),
                [fd]
            ),
            (
                "past 2^64 of the file",
                FrontEnd.region(guest: 0, size: 4096, user: user, offset: .max - 100), [fd]
            ),
            ("past 2^64", FrontEnd.region(guest: .max - 4094, size: 4096, user: user), [fd]),
            ("past 2^64 of users", FrontEnd.region(guest: 0, size: 4096, user: .max - 4094), [fd]),
            ("much too large", FrontEnd.region(guest: 0, size: 1 << 63, user: 0), [fd]),
            ("all of it", FrontEnd.region(guest: 0, size: .max, user: 0), [fd]),
            ("no memory", FrontEnd.region(guest: 0, size: 4096, user: user), [frontEnd.kick.raw]),
        ]
        for (what, region, descriptors) in wrong {
            XCTAssertNotEqual(try add(frontEnd, region, descriptors), 0, what)
        }
        // Regions that overlap, by guest or by user addresses.
        XCTAssertEqual(
            try add(frontEnd, FrontEnd.region(guest: 0x10000, size: 8192, user: user), [fd]), 0)
        for (guest, other) in [
            (0x10000, user + 0x10000), (0x11000, user + 0x10000), (0xF000, user + 0x10000),
            (0x20000, user), (0x20000, user + 4096),
        ] as [(UInt64, UInt64)] {
            XCTAssertEqual(
                try add(frontEnd, FrontEnd.region(guest: guest, size: 8192, user: other), [fd]),
                UInt64(EEXIST))
        }
        // Only what was added can be removed.
        for (guest, size, other) in [
            (0x10000, 4096, user), (0x10000, 8192, user + 1), (0x11000, 8192, user),
        ] as [(UInt64, UInt64, UInt64)] {
            XCTAssertEqual(
                try remove(frontEnd, FrontEnd.region(guest: guest, size: size, user: other)),
                UInt64(ENOENT))
        }
        let region = FrontEnd.region(guest: 0x10000, size: 8192, user: user)
        XCTAssertEqual(try remove(frontEnd, region), 0)
        XCTAssertEqual(try remove(frontEnd, region), UInt64(ENOENT))
        XCTAssertEqual(try add(frontEnd, region, [fd]), 0)
    }

    /// libblkio's regions end and begin anywhere.
    func testRegionsThatAreNotWholePages() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let count = UInt64(FrontEnd.memorySize)
        // In three parts; the third one begins in the middle of the data.
        let cuts: [UInt64] = [0, 0x8_0000 + 100, FrontEnd.data + 700, count]
        for (start, end) in zip(cuts, cuts.dropFirst()) {
            let region = FrontEnd.region(
                guest: start, size: end - start, user: FrontEnd.userBase + start, offset: start)
            XCTAssertEqual(try add(frontEnd, region, [frontEnd.memory.descriptor]), 0)
        }
        try frontEnd.setUpRing()
        try frontEnd.enable()
        // The header of request 1 begins before a cut and ends behind it.
        frontEnd.add(VirtioType.read, sector: 16, length: 4096, index: 1)
        frontEnd.add(VirtioType.read, sector: 24, length: 4096, index: 0)
        frontEnd.publish()
        try frontEnd.finish(2)
        XCTAssertEqual([frontEnd.status(0), frontEnd.status(1)], [0, 0])
        XCTAssertEqual(frontEnd.bytes(4096), Self.content(at: 24 * 512, 4096))
        XCTAssertEqual(frontEnd.bytes(4096, index: 1), Self.content(at: 16 * 512, 4096))
    }

    /// libblkio adds memory while rings run.
    func testMemoryMayBeAddedAndRemovedWhileARingRuns() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let other = try GuestRAM(size: 1 << 20, sharing: .descriptor)
        let region = FrontEnd.region(guest: 1 << 32, size: 1 << 20, user: 0x1000_0000)
        for _ in 0..<10 {
            XCTAssertEqual(try add(frontEnd, region, [other.descriptor]), 0)
            XCTAssertEqual(
                try frontEnd.run(VirtioType.read, sector: 2, length: 512), VirtioStatus.ok)
            XCTAssertEqual(try remove(frontEnd, region), 0)
        }
    }

    /// The front end may use the memory for something else when it has the acknowledgement.
    func testARegionGoesWhenNothingUsesIt() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        let other = try GuestRAM(size: 1 << 20, sharing: .descriptor)
        let region = FrontEnd.region(guest: 1 << 32, size: 1 << 20, user: 0x1000_0000)
        XCTAssertEqual(try add(frontEnd, region, [other.descriptor]), 0)
        let release = hold([.read])
        let driver = frontEnd.driver
        driver.store(VirtioType.read, at: frontEnd.header(0))
        driver.store(UInt64(8), at: frontEnd.header(0) + 8)
        driver.add([
            .init(address: frontEnd.header(0), length: 16),
            .init(address: 1 << 32, length: 4096, isWritable: true),
            .init(address: frontEnd.header(0) + 32, length: 1, isWritable: true),
        ])
        frontEnd.publish()
        try waitForHeld(1)
        try frontEnd.socket.send(
            VhostMessage(
                request: VhostRequest.remMemReg, flags: 1 | VhostMessage.needReply,
                body: le(UInt64(0)) + region))
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        release()
        XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
        XCTAssertEqual(
            [UInt8](UnsafeRawBufferPointer(start: other.base, count: 4096)),
            Self.content(at: 4096, 4096))
        try frontEnd.finish(1)
    }

    /// A new table keeps the regions that were in the last one.
    func testTables() throws {
        let frontEnd = try frontEnd()
        try frontEnd.negotiate(
            protocolFeatures: FrontEnd.usualProtocolFeatures & ~VhostFeature.memorySlots)
        let other = try GuestRAM(size: 1 << 20, sharing: .descriptor)
        let region = FrontEnd.region(guest: 1 << 32, size: 1 << 20, user: 0x1000_0000)
        let first = le(UInt32(1)) + le(UInt32(0)) + FrontEnd.wholeMemory
        try frontEnd.set(VhostRequest.setMemTable, first, [frontEnd.memory.descriptor])
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        let second = le(UInt32(2)) + le(UInt32(0)) + region + FrontEnd.wholeMemory
        for _ in 0..<3 {
            try frontEnd.set(
                VhostRequest.setMemTable, second, [other.descriptor, frontEnd.memory.descriptor])
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
            try frontEnd.set(VhostRequest.setMemTable, first, [frontEnd.memory.descriptor])
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
        let fd = frontEnd.memory.descriptor
        let wrong: [(String, [UInt8], [CInt])] = [
            ("fewer descriptors", second, [fd]),
            ("more descriptors", first, [fd, fd]),
            ("too many regions", le(UInt32(9)) + le(UInt32(0)) + region, [fd]),
            ("too short", le(UInt32(2)) + le(UInt32(0)) + region, [fd, fd]),
            ("overlaps", le(UInt32(2)) + le(UInt32(0)) + region + region, [fd, fd]),
        ]
        for (what, table, descriptors) in wrong {
            XCTAssertNotEqual(
                try frontEnd.socket.acknowledgement(
                    VhostRequest.setMemTable, table, descriptors), 0, what)
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok, what)
        }
    }

    /// QEMU takes a region away and adds it again, in other pieces, while rings run. What is under way completes
    /// before the memory goes; the ring goes on when its memory is there again.
    func testARingWaitsForItsMemory() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        let release = hold([.read])
        frontEnd.add(VirtioType.read, sector: 8, length: 512, index: 0)
        frontEnd.publish()
        try waitForHeld(1)
        try sendRemovalThatWaits(frontEnd)
        frontEnd.add(VirtioType.read, sector: 16, length: 512, index: 1)
        frontEnd.publish(always: true)
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        release()
        XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
        // The ring is in neither of these.
        let size = UInt64(FrontEnd.memorySize)
        for (start, end) in [(FrontEnd.data, size), (0x8_0000, FrontEnd.data)] {
            let region = FrontEnd.region(
                guest: start, size: end - start, user: FrontEnd.userBase + start, offset: start)
            XCTAssertEqual(try add(frontEnd, region, [frontEnd.memory.descriptor]), 0)
            XCTAssertTrue(try frontEnd.socket.isQuiet())
            XCTAssertEqual(frontEnd.status(1), VirtioStatus.untouched)
        }
        let rest = FrontEnd.region(guest: 0, size: 0x8_0000, user: FrontEnd.userBase)
        XCTAssertEqual(try add(frontEnd, rest, [frontEnd.memory.descriptor]), 0)
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(1), VirtioStatus.ok)
        XCTAssertEqual(frontEnd.bytes(512, index: 1), Self.content(at: 16 * 512, 512))
        XCTAssertFalse(FrontEnd.take(frontEnd.error))
        XCTAssertEqual(try frontEnd.stop(), 3)
    }

    /// A ring that waits for its memory can be stopped, and begins anew where it was.
    func testARingThatWaitsForItsMemoryCanBeStopped() throws {
        let frontEnd = try frontEnd()
        try frontEnd.start()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        XCTAssertEqual(try remove(frontEnd, FrontEnd.wholeMemory), 0)
        frontEnd.add(VirtioType.read, length: 512)
        frontEnd.publish(always: true)
        XCTAssertEqual(try frontEnd.stop(), 1)
        try frontEnd.addMemory()
        XCTAssertTrue(try frontEnd.socket.isQuiet())
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.untouched)
        try frontEnd.setUpRing(base: 1)
        try frontEnd.finish(1)
        XCTAssertEqual(frontEnd.status(0), VirtioStatus.ok)
    }

    /// A ring that breaks a rule does not run again because its memory goes and comes back.
    func testABrokenRingStaysBroken() throws {
        for isPaused in [false, true] {
            let frontEnd = try frontEnd()
            try frontEnd.start()
            let driver = frontEnd.driver
            if isPaused {
                // The byte for its state is outside of memory, which is found out when it completes.
                let release = hold([.read])
                driver.store(VirtioType.read, at: frontEnd.header(0))
                driver.add([
                    .init(address: frontEnd.header(0), length: 16),
                    .init(address: FrontEnd.place(0), length: 512, isWritable: true),
                    .init(address: 1 << 40, length: 1, isWritable: true),
                ])
                frontEnd.publish()
                try waitForHeld(1)
                try sendRemovalThatWaits(frontEnd)
                release()
                XCTAssertEqual(try frontEnd.socket.receive().number(0, 8), 0)
            } else {
                driver.store(UInt16(1000), at: driver.available + 2)
                frontEnd.signal()
                try eventually("the ring is broken") { FrontEnd.take(frontEnd.error) }
                XCTAssertEqual(try remove(frontEnd, FrontEnd.wholeMemory), 0)
            }
            try frontEnd.addMemory()
            XCTAssertEqual(FrontEnd.take(frontEnd.error), isPaused)
            frontEnd.add(VirtioType.read, length: 512, index: 1)
            frontEnd.publish(always: true)
            XCTAssertTrue(try frontEnd.socket.isQuiet())
            XCTAssertEqual(frontEnd.status(1), VirtioStatus.untouched)
            _ = try frontEnd.stop()
            try frontEnd.negotiate()
            try frontEnd.setUpRing()
            XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
        }
    }

    /// The file behind the memory becomes shorter.
    func testMemoryThatIsTruncated() throws {
        try GuestRAM.surviveTruncation()
        let frontEnd = try frontEnd()
        try frontEnd.negotiate()
        let size = UInt64(FrontEnd.memorySize)
        let file = try PeerFile(size: Int(size), fill: 0)
        XCTAssertEqual(try add(frontEnd, FrontEnd.wholeMemory, [file.descriptor]), 0)
        try frontEnd.setUpRing()
        try frontEnd.enable()
        try file.shorten(to: 4096)
        frontEnd.signal()
        try eventually("the error descriptor is written") { FrontEnd.take(frontEnd.error) }
        _ = try frontEnd.stop()
        XCTAssertEqual(try remove(frontEnd, FrontEnd.wholeMemory), 0)
        try frontEnd.addMemory()
        try frontEnd.setUpRing()
        try frontEnd.enable()
        XCTAssertEqual(try frontEnd.run(VirtioType.read, length: 512), VirtioStatus.ok)
    }

    /// Sends REM_MEM_REG for all memory, whose reply has to wait for what is under way.
    private func sendRemovalThatWaits(_ frontEnd: FrontEnd) throws {
        try frontEnd.socket.send(
            VhostMessage(
                request: VhostRequest.remMemReg, flags: 1 | VhostMessage.needReply,
                body: le(UInt64(0)) + FrontEnd.wholeMemory))
        XCTAssertTrue(try frontEnd.socket.isQuiet())
    }
}
