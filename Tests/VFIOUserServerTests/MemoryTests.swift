import CTestSupport
import GuestMemory
import XCTest

@testable import TestSupport

/// DMA_MAP and DMA_UNMAP with descriptors.
final class MemoryTests: ServerTestCase {
    override func setUpWithError() throws {
        try super.setUpWithError()
        try negotiate()
    }

    func testMappedMemoryIsReachedDirectly() throws {
        let memory = try memory(size: 8192)
        try assertWorks(VFIORequest.map(0x10000, 8192), [memory.raw])
        function.data = Array(repeating: 0x5A, count: 4096)
        function.start(.fromDevice, [(0x10800, 4096)])
        XCTAssertEqual(function.results.map(\.outcome), [.success])
        XCTAssertEqual(function.mapper?.statistics.bouncedBytes, 0)
        var bytes = [UInt8](repeating: 0, count: 8192)
        XCTAssertEqual(pread(memory.raw, &bytes, 8192, 0), 8192)
        XCTAssertEqual(bytes.firstIndex(of: 0x5A), 0x800)
        XCTAssertEqual(bytes.lastIndex(of: 0x5A), 0x17FF)
    }

    func testOffsetsIntoTheFile() throws {
        let memory = try memory(size: 8192)
        var mark: UInt8 = 9
        XCTAssertEqual(pwrite(memory.raw, &mark, 1, 4096), 1)
        try assertWorks(VFIORequest.map(0, 4096, offset: 4096), [memory.raw])
        XCTAssertEqual(byte(at: 0), 9)
    }

    /// QEMU's memory-backend-memfd with hugetlb=on: parts of huge pages.
    func testHugePagesAreMappedInParts() throws {
        let pages = try orSkip(HugePages(count: 2))
        defer { pages.close() }
        let file = try pages.file(size: 2 * HugePages.pageSize)
        for (address, size) in [
            (0, 0xA0000), (0xC0000, 0x14_0000), (0x20_0000, 0x20_0000),
        ] as [(UInt64, UInt64)] {
            try assertWorks(VFIORequest.map(address, size, offset: address), [file.raw])
        }
        let whole = try GuestRAM(descriptor: file.raw, size: 2 * HugePages.pageSize)
        function.data = (0..<8192).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        function.start(.fromDevice, [(0x9F000, 4096), (0x1FF800, 4096)])
        XCTAssertEqual(function.results.map(\.outcome), [.success])
        XCTAssertEqual(function.mapper?.statistics.bouncedBytes, 0)
        for (address, place) in [(0x9F000, 0), (0x1FF800, 4096)] {
            let found = UnsafeRawBufferPointer(start: whole.base + address, count: 4096)
            XCTAssertTrue(found.elementsEqual(function.data[place..<place + 4096]))
        }
        try assertFails(VFIORequest.map(0x40_0000, 4096, offset: 0x40_0000), [file.raw])
        try assertWorks(VFIORequest.unmap(0xC0000, 0x14_0000))
    }

    /// A peer that takes huge pages away ends the transfers that need them, and nothing else.
    func testHugePagesThatAreTakenAway() throws {
        try GuestRAM.surviveTruncation()
        let pages = try orSkip(HugePages(count: 2))
        defer { pages.close() }
        let file = try pages.file(size: 2 * HugePages.pageSize)
        try assertWorks(VFIORequest.map(0, 0xA0000), [file.raw])
        try assertWorks(VFIORequest.map(0xC0000, 0x14_0000, offset: 0xC0000), [file.raw])
        XCTAssertEqual(byte(at: 0x1000), 0)
        XCTAssertEqual(ftruncate(file.raw, 0), 0)
        XCTAssertThrowsError(try space.store(UInt32(1), at: 0x2000))
        XCTAssertThrowsError(try space.load(at: 0xC1000, as: UInt64.self)) { error in
            XCTAssertEqual((error as? GuestMemoryError)?.errno, EFAULT)
        }
        try assertWorks(VFIORequest.unmap(0, 0xA0000))
        try assertWorks(VFIORequest.info)
    }

    func testReadableMemoryIsNotWritten() throws {
        let memory = try memory(3)
        let path = "/proc/self/fd/\(memory.raw)"
        let readable = Descriptor(try SystemCall.check(Descriptor.open(path, O_RDONLY), "open"))
        try assertFails(
            VFIORequest.map(0, 4096, flags: VFIOMapFlags.readableAndWriteable), [readable.raw],
            EACCES)
        try assertWorks(VFIORequest.map(0, 4096, flags: VFIOMapFlags.readable), [readable.raw])
        function.start(.toDevice, [(0, 512)])
        XCTAssertEqual(function.data, [UInt8](repeating: 3, count: 512))
        function.data = [UInt8](repeating: 4, count: 512)
        function.start(.fromDevice, [(0, 512)])
        XCTAssertEqual(function.results.map(\.outcome), [.success, .success])
        XCTAssertEqual(byte(at: 0), 3)
    }

    func testRangesThatOverlapAreRefused() throws {
        let memory = try memory(size: 1 << 16)
        try assertWorks(VFIORequest.map(0x10000, 0x4000), [memory.raw])
        for (address, size) in [
            (0x10000, 0x4000), (0xF000, 0x2000), (0x13000, 0x1000), (0x11000, 0x1000), (0, 0x11000),
            (0x8000, 0x10000),
        ] as [(UInt64, UInt64)] {
            try assertFails(VFIORequest.map(address, size), [memory.raw], EEXIST)
        }
        try assertWorks(VFIORequest.map(0xF000, 0x1000), [memory.raw])
        try assertWorks(VFIORequest.map(0x14000, 0x1000), [memory.raw])
    }

    func testRangesThatCannotBeAreRefused() throws {
        let memory = try memory(size: 8192)
        let pipe = try Descriptor.pipe()
        for (address, size, offset) in [
            (0, 0, 0), (1, 4096, 0), (0, 4095, 0), (0, 4096, 1), (0, 4096, 8192), (0, 12288, 0),
            (0, 8192, 4096), (.max - 4095, 8192, 0), (0, .max - 4095, 0), (0, 4096, .max - 4095),
            (0, 1 << 63, 1 << 62),
        ] as [(UInt64, UInt64, UInt64)] {
            try assertFails(VFIORequest.map(address, size, offset: offset), [memory.raw])
        }
        try assertFails(VFIORequest.map(0, 4096, flags: 0), [memory.raw])
        try assertFails(VFIORequest.map(0, 4096, flags: 4), [memory.raw])
        try assertFails(VFIORequest.map(0, 4096), [memory.raw, memory.raw])
        try assertFails(VFIORequest.map(0, 4096), [pipe.writing.raw])
        XCTAssertNil(byte(at: 0))
        // The very last page.
        try assertWorks(VFIORequest.map(.max - 4095, 4096), [memory.raw])
        XCTAssertEqual(byte(at: .max), 0)
    }

    func testThereIsALimit() throws {
        let memory = try memory()
        let next = dup(memory.raw)
        close(next)
        for number in 0..<1024 {
            try assertWorks(VFIORequest.map(UInt64(number) << 12, 4096), [memory.raw])
        }
        // A map keeps no descriptor.
        let nextNow = dup(memory.raw)
        close(nextNow)
        XCTAssertEqual(nextNow, next)
        try assertFails(VFIORequest.map(1 << 40, 4096), [memory.raw], ENOSPC)
        try assertWorks(VFIORequest.unmap(5 << 12, 4096))
        try assertWorks(VFIORequest.map(1 << 40, 4096), [memory.raw])
    }

    func testUnmapNamesTheSameRange() throws {
        let memory = try memory(1, size: 8192)
        try assertWorks(VFIORequest.map(0x1000, 8192), [memory.raw])
        try assertFails(VFIORequest.unmap(0x1000, 4096))
        try assertFails(VFIORequest.unmap(0x1000, 8192, flags: VFIOUnmapFlags.getDirtyBitmap))
        try assertFails(VFIORequest.unmap(0x2000, 4096), [], ENOENT)
        try assertFails(VFIORequest.unmap(0, 0), [], ENOENT)
        let reply = try peer.request(VFIORequest.unmap(0x1000, 8192))
        XCTAssertEqual(reply.failure, 0)
        XCTAssertEqual(reply.body, VFIORequest.unmap(0x1000, 8192).body)
        XCTAssertNil(byte(at: 0x1000))
        try assertFails(VFIORequest.unmap(0x1000, 8192), [], ENOENT)
    }

    func testEverythingCanBeUnmapped() throws {
        let memory = try memory(1, size: 8192)
        try assertWorks(VFIORequest.unmap(0, 0, flags: VFIOUnmapFlags.all))
        for page: UInt64 in [0, 1, 7] {
            try assertWorks(VFIORequest.map(page << 12, 4096), [memory.raw])
        }
        try assertWorks(VFIORequest.map(1 << 40, 4096))
        try assertFails(VFIORequest.unmap(0, 4096, flags: VFIOUnmapFlags.all))
        try assertFails(VFIORequest.unmap(4096, 0, flags: VFIOUnmapFlags.all))
        XCTAssertEqual(byte(at: 0x7000), 1)
        let reply = try peer.request(VFIORequest.unmap(0, 0, flags: VFIOUnmapFlags.all))
        XCTAssertEqual(reply.failure, 0)
        XCTAssertEqual(reply.body, VFIORequest.unmap(0, 0, flags: VFIOUnmapFlags.all).body)
        for page: GuestAddress in [0, 0x1000, 0x7000] { XCTAssertNil(byte(at: page)) }
        try assertWorks(VFIORequest.map(0, 8192), [memory.raw])
    }

    func testUnmapWaitsForTransfersAndNobodyForIt() throws {
        let memory = try memory(size: 8192)
        try assertWorks(VFIORequest.map(0, 8192), [memory.raw])
        function.holdsPieces = true
        function.data = Array(repeating: 0x77, count: 512)
        function.start(.fromDevice, [(0, 512)])
        let id = try peer.send(VFIORequest.unmap(0, 8192))
        XCTAssertTrue(try peer.isQuiet())
        // Served meanwhile, and the range is free for another map.
        try assertWorks(VFIORequest.read(VFIORegion.bar0, 0, 1))
        try assertWorks(VFIORequest.map(0, 8192), [memory.raw])
        function.holdsPieces = false
        function.finishPiece()
        let reply = try peer.reply(to: id)
        XCTAssertEqual(reply.body, VFIORequest.unmap(0, 8192).body)
        XCTAssertEqual(byte(at: 0), 0x77)
    }

    func testWrittenPagesAreReported() throws {
        let memory = try memory(size: 1 << 20)
        try assertWorks(VFIORequest.map(1 << 20, 1 << 20), [memory.raw])
        func report(_ address: UInt64, _ size: UInt64, _ page: UInt64 = 4096) -> VFIOMessage {
            VFIORequest.feature(
                VFIOFeature.get | VFIOFeature.dmaLoggingReport, le(address) + le(size) + le(page))
        }
        try assertFails(report(1 << 20, 1 << 20))
        for feature: UInt32 in [
            VFIOFeature.probe | VFIOFeature.set | VFIOFeature.dmaLoggingStart,
            VFIOFeature.probe | VFIOFeature.set | VFIOFeature.dmaLoggingStop,
            VFIOFeature.probe | VFIOFeature.get | VFIOFeature.dmaLoggingReport,
        ] {
            try assertWorks(VFIORequest.feature(feature))
        }
        for feature: UInt32 in [
            VFIOFeature.probe | VFIOFeature.migration,
            VFIOFeature.probe | VFIOFeature.migrationState,
            VFIOFeature.probe | VFIOFeature.get | VFIOFeature.set | VFIOFeature.dmaLoggingReport,
            VFIOFeature.get | VFIOFeature.set | VFIOFeature.dmaLoggingReport,
            VFIOFeature.set | VFIOFeature.dmaLoggingReport,
            VFIOFeature.get | VFIOFeature.dmaLoggingStart,
            // Nothing is done with it, and a bit that does not exist.
            VFIOFeature.dmaLoggingReport, 1 << 19 | VFIOFeature.dmaLoggingReport,
        ] {
            try assertFails(VFIORequest.feature(feature))
        }
        let loggingStart = VFIOFeature.set | VFIOFeature.dmaLoggingStart
        let start = le(UInt64(4096)) + le(UInt32(0)) + le(UInt32(0))
        XCTAssertEqual(
            try peer.request(VFIORequest.feature(loggingStart, start)).body,
            VFIORequest.feature(loggingStart, start).body)
        function.data = [UInt8](repeating: 1, count: 8192)
        function.start(.fromDevice, [(1 << 20 + 0x3800, 4096), (1 << 20 + 0x45000, 4096)])
        function.start(.toDevice, [(1 << 20 + 0x9000, 4096)])
        var reply = try peer.request(report(1 << 20, 1 << 20))
        XCTAssertEqual(reply.u32(0), 32 + 32)
        XCTAssertEqual((0..<4).map { reply.u64(32 + 8 * $0) }, [0b11000, 1 << 5, 0, 0])
        reply = try peer.request(report(1 << 20, 1 << 20))
        XCTAssertEqual((0..<4).map { reply.u64(32 + 8 * $0) }, [0, 0, 0, 0])
        // Larger and smaller pages, part of the range, a map that comes later.
        function.start(.fromDevice, [(1 << 20 + 0x3000, 512)])
        XCTAssertEqual(try peer.request(report(1 << 20, 1 << 16, 0x2000)).u64(32), 0b10)
        function.start(.fromDevice, [(1 << 20 + 0x3000, 512)])
        XCTAssertEqual(try peer.request(report(1 << 20 + 0x3000, 1 << 13, 1024)).u64(32), 0b1111)
        try assertWorks(VFIORequest.map(4 << 20, 4096), [memory.raw])
        function.start(.fromDevice, [(4 << 20, 512)])
        XCTAssertEqual(try peer.request(report(4 << 20, 4096)).u64(32), 1)
        for wrong in [
            report(0, 0), report(0, 4096, 0), report(0, 4096, 3), report(.max, 4096),
        ] { try assertFails(wrong) }
        try assertFails(report(0, .max), [], E2BIG)
        try assertFails(
            VFIORequest.feature(
                VFIOFeature.get | VFIOFeature.dmaLoggingReport, room: 39,
                le(0) + le(4096) + le(4096)), [], E2BIG)
        try assertWorks(VFIORequest.feature(VFIOFeature.set | VFIOFeature.dmaLoggingStop))
        try assertFails(report(1 << 20, 4096))
    }

    /// What a peer does to memory that it shares does not end this process.
    func testMemoryThatGetsShorter() throws {
        try GuestRAM.surviveTruncation()
        let memory = try memory(6, size: 1 << 16, sealed: false)
        try assertWorks(VFIORequest.map(0, 1 << 16), [memory.raw])
        XCTAssertEqual(byte(at: 0xF000), 6)
        XCTAssertEqual(ftruncate(memory.raw, 4096), 0)
        XCTAssertThrowsError(try space.load(at: 0x8000, as: UInt64.self)) { error in
            XCTAssertEqual((error as? GuestMemoryError)?.errno, EFAULT)
        }
        XCTAssertThrowsError(try space.store(UInt32(1), at: 0x9000))
        XCTAssertThrowsError(try space.fill(at: 0xA000, with: 1, count: 4096))
        XCTAssertEqual(byte(at: 0), 6)
        // Also when the file is as long as it was.
        XCTAssertEqual(ftruncate(memory.raw, 1 << 16), 0)
        XCTAssertThrowsError(try space.load(at: 0x8000, as: UInt64.self))
        function.data = [7]
        function.start(.toDevice, [(0xC000, 512)])
        XCTAssertEqual(function.data, [7], "the transfer does not begin")
        try assertWorks(VFIORequest.unmap(0, 1 << 16))
        try assertWorks(VFIORequest.info)
    }

    func testMemoryThatIsSealedStaysAsLongAsItIs() throws {
        let memory = try memory(6, size: 8192)
        try assertWorks(VFIORequest.map(0, 8192), [memory.raw])
        XCTAssertEqual(ftruncate(memory.raw, 0), -1)
        XCTAssertEqual(byte(at: 4096), 6)
    }
}
