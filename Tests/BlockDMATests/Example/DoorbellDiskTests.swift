import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// The example device of docs/dma.md, whose source is the importer's.
final class DoorbellDiskTests: ConformanceTestCase {
    /// What the doorbell takes (docs/dma.md).
    private enum Verb {
        static let none: UInt32 = 0
        static let read: UInt32 = 1
        static let write: UInt32 = 2
        static let flush: UInt32 = 3
    }

    /// The status register for the command with tag 0.
    private enum Status {
        static let ended: UInt32 = 1 << 0
        static let failed: UInt32 = 1 << 8
        static let reset: UInt32 = 1 << 31
    }

    private enum Register {
        static let doorbell: UInt64 = 0x10
        static let status: UInt64 = 0x14
    }

    private static let size = 1 << 20
    private static let registers = DoorbellGuest.registers
    private static let hole: UInt64 = 0x2000_0000

    /// Runs `check` with a new guest on each engine; the image is 0x5A throughout. Then `afterwards`, when
    /// the guest has gone.
    private func forEachEngine(
        policy: ErrorPolicy = .report, access: OpenOptions.Access = .readWrite,
        _ check: (DoorbellGuest, FaultInjector, PlainFile) throws -> Void,
        afterwards: (PlainFile) throws -> Void = { _ in }
    ) throws {
        try forEachTarget(
            size: Self.size,
            where: {
                $0.target == .tmpfsFile && $0.threading == .shared && $0.caching == .direct
            }
        ) { configuration, target in
            let plain = try PlainFile(target.path, direct: false)
            let content = AlignedBuffer(count: Self.size)
            memset(content.bytes.baseAddress!, 0x5A, Self.size)
            try plain.write(content.bytes, at: 0)
            weak var disk: DoorbellDisk?
            try run(on: configuration.open(target, access: access), policy) { guest, faults in
                disk = guest.disk
                try check(guest, faults, plain)
            }
            XCTAssertNil(disk)
            try afterwards(plain)
        }
    }

    private func run(
        on image: BlockImage, _ policy: ErrorPolicy,
        _ check: (DoorbellGuest, FaultInjector) throws -> Void
    ) throws {
        let faults = FaultInjector()
        let options = QueueOptions(threading: .shared).checked(with: faults)
        let guest = try DoorbellGuest(BlockQueue(image, options), policy: policy)
        guest.ram.dirtyLog.start(.migration)
        try check(guest, faults)
    }

    private func run(
        _ guest: DoorbellGuest, _ verb: UInt32, tag: Int = 0, sector: UInt32 = 0,
        _ stretches: [(UInt64, UInt32)] = []
    ) throws -> Bool {
        try guest.ring(verb, tag: tag, sector: sector, stretches)
        let (ended, failed) = try guest.interrupted()
        XCTAssertEqual(ended, 1 << tag)
        XCTAssertEqual(try guest.status(), 0)
        XCTAssertFalse(guest.isInterruptRaised)
        return failed == 0
    }

    private func dirty(_ guest: DoorbellGuest) -> [Int] {
        var pages: [Int] = []
        guest.ram.dirtyLog.take(.migration) { pages += $0 }
        return pages
    }

    private func isFilled(_ start: UnsafeRawPointer, _ value: UInt8, _ count: Int) -> Bool {
        memcmp(start, start + 1, count - 1) == 0 && start.load(as: UInt8.self) == value
    }

    // MARK: What it is for

    func testReadAndWriteInSeveralStretches() throws {
        try forEachEngine { guest, _, plain in
            XCTAssertTrue(
                try run(
                    guest, Verb.read, sector: 8, [(0x10000, 512), (0x20100, 3072), (0x31FFF, 512)]))
            for (start, count) in [(0x10000, 512), (0x20100, 3072), (0x31FFF, 512)] {
                XCTAssertTrue(isFilled(guest.ram.base + start, 0x5A, count))
                XCTAssertEqual(
                    guest.ram.base.load(fromByteOffset: start + count, as: UInt8.self), 0)
            }
            XCTAssertEqual(dirty(guest), [0x10, 0x20, 0x31, 0x32])
            memset(guest.ram.base + 0x40000, 0x77, 4096)
            XCTAssertTrue(
                try run(guest, Verb.write, sector: 16, [(0x40C00, 1024), (0x40000, 3072)]))
            XCTAssertTrue(try run(guest, Verb.flush, tag: 7))
            XCTAssertEqual(dirty(guest), [])
            let found = try plain.contents(at: 15 * 512, 10 * 512)
            let bytes = UnsafeRawPointer(found.bytes.baseAddress!)
            XCTAssertTrue(isFilled(bytes, 0x5A, 512))
            XCTAssertTrue(isFilled(bytes + 512, 0x77, 4096))
            XCTAssertTrue(isFilled(bytes + 4608, 0x5A, 512))
        }
    }

    /// A doorbell for a tag that is taken is lost.
    func testEightAtOnce() throws {
        try forEachEngine { guest, faults, _ in
            faults.add(.init(.hold, count: 8))
            for tag in 0..<8 {
                try guest.ring(
                    Verb.read, tag: tag, sector: UInt32(tag),
                    [(UInt64(0x10000 + 0x1000 * tag), 512)])
            }
            try guest.ring(Verb.write, tag: 3, sector: 100, [(0x90000, 512)])
            XCTAssertEqual(try guest.status(), 0)
            faults.release()
            var ended: UInt32 = 0
            while ended != 0xFF {
                let (more, failed) = try guest.interrupted()
                XCTAssertEqual(failed, 0)
                XCTAssertEqual(ended & more, 0, "once each")
                ended |= more
            }
            XCTAssertEqual(dirty(guest), Array(0x10..<0x18))
        }
    }

    /// Memory of another process, which a transfer waits for: the disk is woken.
    func testATransferThatWaits() throws {
        try forEachEngine { guest, _, plain in
            let peer = HeldPeer()
            try guest.space.map(.remote(peer, size: 65536), at: 0x4000_0000)
            try guest.ring(Verb.write, sector: 0, [(0x4000_0000, 4096)])
            XCTAssertFalse(guest.serve(milliseconds: 0))
            XCTAssertEqual(peer.answerAll(), 1)
            let (ended, failed) = try guest.interrupted()
            XCTAssertEqual([ended, failed], [1, 0])
            let found = try plain.contents(at: 0, 4096)
            XCTAssertTrue(
                isFilled(UnsafeRawPointer(found.bytes.baseAddress!), HeldPeer.fill, 4096))
        }
    }

    // MARK: Hostile guests

    private func assertRefused(
        _ guest: DoorbellGuest, _ plain: PlainFile, line: UInt = #line, _ what: String,
        _ ring: (UInt32) throws -> Void
    ) throws {
        for verb in [Verb.read, Verb.write] {
            try ring(verb)
            let (ended, failed) = try guest.interrupted()
            XCTAssertEqual([ended, failed], [1, 1], what, line: line)
        }
        XCTAssertEqual(dirty(guest), [], what, line: line)
        let found = try plain.contents(at: 0, Self.size)
        XCTAssertTrue(
            isFilled(UnsafeRawPointer(found.bytes.baseAddress!), 0x5A, Self.size), what, line: line)
    }

    func testDescriptorsThatAreWrong() throws {
        try forEachEngine { guest, _, plain in
            // Memory up to the last address, so that what wraps would find some.
            let top = try GuestRAM(size: 65536)
            try guest.space.map(.ram(top), at: GuestAddress(0 &- 65536))
            let cases: [(String, [(UInt64, UInt32)])] = [
                ("beyond memory", [(Self.hole, 512)]),
                ("the second beyond memory", [(0x10000, 512), (Self.hole, 512)]),
                ("half of it beyond memory", [(1 << 20 - 256, 512)]),
                ("an address that wraps", [(0 &- 256, 512)]),
                ("length 0", [(0x10000, 0)]), ("the second of length 0", [(0x10000, 512), (0, 0)]),
                ("no multiple of a sector", [(0x10000, 700)]),
                ("more than the disk has", [(0x10000, 0xFFFF_FE00), (0x10000, 512)]),
                ("the disk's own registers", [(Self.registers.rawValue, 512)]),
            ]
            for (what, stretches) in cases {
                try assertRefused(guest, plain, what) { try guest.ring($0, stretches) }
            }
            XCTAssertTrue(isFilled(guest.ram.base + 0x10000, 0, 4096))
            XCTAssertTrue(isFilled(top.base, 0, 65536))
        }
    }

    func testTablesThatAreWrong() throws {
        try forEachEngine { guest, _, plain in
            let top = try GuestRAM(size: 65536)
            try guest.space.map(.ram(top), at: GuestAddress(0 &- 65536))
            // The last descriptor that there is names memory, and so does the one at address 0.
            for place in [top.base + 65520, guest.ram.base] {
                place.storeBytes(of: 0x10000, as: UInt64.self)
                place.storeBytes(of: 512, toByteOffset: 8, as: UInt64.self)
            }
            for (what, table, count) in [
                ("beyond memory", Self.hole, 1), ("wraps", 0 &- 16, 2),
                ("half beyond memory", 1 << 20 - 16, 2), ("no descriptor", 0, 0),
                ("257 descriptors", 0x10000, 257), ("2^32 - 1 descriptors", 0, .max),
                ("the registers", Self.registers.rawValue, 1),
            ] as [(String, UInt64, UInt32)] {
                try assertRefused(guest, plain, what) {
                    try guest.ring($0, tag: 0, sector: 0, table: table, count: count)
                }
            }
            try guest.ring(Verb.read, tag: 0, sector: 0, table: 0 &- 16, count: 1)
            let (ended, failed) = try guest.interrupted()
            XCTAssertEqual([ended, failed], [1, 0], "the last one alone is good")
        }
    }

    func testSectorsThatAreWrong() throws {
        try forEachEngine(policy: .stop) { guest, _, plain in
            for sector in [2048, 2047, .max] as [UInt32] {
                try assertRefused(guest, plain, "\(sector)") {
                    try guest.ring($0, sector: sector, [(0x10000, 1024)])
                }
            }
            XCTAssertTrue(try run(guest, Verb.read, sector: 2046, [(0x10000, 1024)]))
            XCTAssertEqual(guest.stops, 0, "no guest stops the machine")
        }
    }

    func testVerbsThatAreUnknown() throws {
        try forEachEngine { guest, _, _ in
            try guest.ring(Verb.none, [(0x10000, 512)])
            XCTAssertFalse(guest.serve(milliseconds: 0))
            XCTAssertEqual(try guest.status(), 0)
            XCTAssertNil(guest.disk.read(offset: Register.status, width: 8))
            XCTAssertFalse(guest.disk.write(offset: Register.doorbell, width: 2, value: 1))
        }
    }

    func testAReadOnlyImage() throws {
        try forEachEngine(policy: .stop, access: .readOnly) { guest, _, _ in
            XCTAssertFalse(try run(guest, Verb.write, [(0x10000, 512)]))
            XCTAssertEqual(guest.stops, 0)
            XCTAssertTrue(try run(guest, Verb.read, [(0x10000, 512)]))
        }
    }

    // MARK: Failures of the host

    func testPolicies() throws {
        for (policy, isGood) in [(ErrorPolicy.report, false), (.enospc, false), (.ignore, true)] {
            try forEachEngine(policy: policy) { guest, faults, _ in
                faults.add(.init(.transientError(EIO), count: 2))
                XCTAssertEqual(try run(guest, Verb.read, [(0x10000, 512)]), isGood, "\(policy)")
                XCTAssertEqual(try run(guest, Verb.flush), isGood, "\(policy)")
                XCTAssertEqual(guest.stops, 0)
                XCTAssertTrue(try run(guest, Verb.read, [(0x10000, 512)]))
                XCTAssertTrue(try run(guest, Verb.flush))
            }
        }
    }

    /// What fails waits for the machine to go on, and is then done with the list as it was.
    func testStopAndResume() throws {
        try forEachEngine(policy: .stop) { guest, faults, plain in
            memset(guest.ram.base + 0x10000, 0x33, 512)
            faults.add(.init(.transientError(ENOSPC), count: 3))
            try guest.ring(Verb.write, tag: 1, sector: 4, [(0x10000, 512)])
            try guest.ring(Verb.flush, tag: 2)
            while guest.stops < 2 { XCTAssertTrue(guest.serve(milliseconds: 60_000)) }
            XCTAssertFalse(guest.isInterruptRaised)
            // The guest cannot change what it has asked for, and the tags are taken.
            memset(guest.ram.base, 0xFF, 4096)
            guest.disk.resume()
            while guest.stops < 3 { XCTAssertTrue(guest.serve(milliseconds: 60_000)) }
            guest.disk.resume()
            var ended: UInt32 = 0
            while ended != 6 {
                let (more, failed) = try guest.interrupted()
                XCTAssertEqual(failed, 0)
                ended |= more
            }
            guest.disk.resume()
            XCTAssertEqual(try guest.status(), 0)
            let found = try plain.contents(at: 2048, 512)
            XCTAssertTrue(isFilled(UnsafeRawPointer(found.bytes.baseAddress!), 0x33, 512))
        }
    }

    // MARK: Resets

    func testAResetWaitsForTheHost() throws {
        try forEachEngine(policy: .stop) { guest, faults, _ in
            faults.add(.init(.transientError(EIO), operations: [.flush], count: 1))
            faults.add(.init(.hold, operations: [.read], count: 1))
            try guest.ring(Verb.flush, tag: 1)
            while guest.stops < 1 { XCTAssertTrue(guest.serve(milliseconds: 60_000)) }
            try guest.ring(Verb.read, tag: 2, [(0x10000, 512)])
            try guest.setStatus(Status.reset)
            XCTAssertEqual(try guest.status(), Status.reset)
            try guest.ring(Verb.flush, tag: 4)
            faults.release()
            while try guest.status() != 0 { XCTAssertTrue(guest.serve(milliseconds: 60_000)) }
            XCTAssertFalse(guest.isInterruptRaised, "nobody hears of what was under way")
            guest.disk.resume()
            XCTAssertFalse(guest.serve(milliseconds: 0), "what was kept is gone")
            XCTAssertTrue(try run(guest, Verb.read, tag: 2, [(0x10000, 512)]))
        }
    }

    func testAResetClearsWhatHasEnded() throws {
        try forEachEngine { guest, _, _ in
            try guest.ring(Verb.read, [(Self.hole, 512)])
            XCTAssertEqual(try guest.status(), Status.ended | Status.failed)
            XCTAssertTrue(guest.isInterruptRaised)
            try guest.setStatus(Status.failed)
            XCTAssertEqual(try guest.status(), Status.ended)
            XCTAssertTrue(guest.isInterruptRaised)
            try guest.setStatus(Status.reset)
            XCTAssertEqual(try guest.status(), 0)
            XCTAssertFalse(guest.isInterruptRaised)
        }
    }

    /// The disk goes away with its guest while the host is at work, and waits for it.
    func testItGoesAwayWhileTheHostIsAtWork() throws {
        try forEachEngine { guest, _, _ in
            memset(guest.ram.base + 0x10000, 0x21, 8192)
            try guest.ring(Verb.write, tag: 1, sector: 0, [(0x10000, 4096), (0x11000, 4096)])
            try guest.ring(Verb.read, tag: 2, sector: 64, [(0x20000, 4096)])
        } afterwards: { plain in
            let found = try plain.contents(at: 0, 8192)
            XCTAssertTrue(isFilled(UnsafeRawPointer(found.bytes.baseAddress!), 0x21, 8192))
        }
    }
}
