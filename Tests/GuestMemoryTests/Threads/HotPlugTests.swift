import Foundation
import GuestMemory
import XCTest

@testable import TestSupport

/// Regions that come and go under load: one that was removed is released once, and only when no
/// transfer or access uses it any more.
final class HotPlugTests: XCTestCase {
    private static let size = 16 * 4096

    /// Whether the memory at an address is mapped: mincore(2) says ENOMEM when it is not.
    private static func isMapped(_ address: UnsafeMutableRawPointer) -> Bool {
        var residency: UInt8 = 0
        return mincore(address, 4096, &residency) == 0
    }

    // MARK: One at a time

    func testMemoryStaysUntilTheTransferOnItHasEnded() throws {
        let space = try AddressSpace()
        let released = Locked(0)
        var ram: GuestRAM? = try GuestRAM(size: Self.size)
        weak let observed = ram
        let base = ram!.base
        var region: MappedRegion? = try space.map(.ram(ram!), at: 0)
        let mapper = try DMAMapper(space)
        let (transfer, _) = mapper.begin(ScatterGatherList([(0, 8192)]), .fromDevice)
        let mapping = try mapper.map(address: 4096, length: 4096, .toDevice)

        try space.unmap(region!) { released.withLock { $0 += 1 } }
        region = nil
        ram = nil
        XCTAssertThrowsError(try space.load(at: 0, as: UInt8.self), "nobody new sees it")
        XCTAssertEqual(released.current, 0)
        memset(base, 7, 8192)
        _ = transfer.pieceEnded(transferred: 8192, isSuccess: true)
        XCTAssertEqual(released.current, 0, "the mapping holds it")
        XCTAssertTrue(Self.isMapped(base))
        try mapping.unmap()
        XCTAssertEqual(released.current, 1)
        XCTAssertNil(observed)
        XCTAssertFalse(Self.isMapped(base))
    }

    func testReleasedAtOnceWhenNothingUsesIt() throws {
        let space = try AddressSpace()
        let released = Locked(0)
        let region = try space.map(.ram(try GuestRAM(size: 4096)), at: 0)
        try space.unmap(region) { released.withLock { $0 += 1 } }
        XCTAssertEqual(released.current, 1)
        try space.unmap(region) { released.withLock { $0 += 1 } }
        XCTAssertEqual(released.current, 2, "one that is not mapped counts as removed")
    }

    func testATransferInLineHoldsItToo() throws {
        let space = try AddressSpace(bounceLimit: 512)
        let device = ByteStore(size: 4096)
        let region = try space.map(.mmio(device, size: 4096), at: 0)
        let mapper = try DMAMapper(space)
        let (first, _) = mapper.begin(ScatterGatherList([(0, 512)]), .fromDevice)
        let (waiting, _) = mapper.begin(ScatterGatherList([(512, 512)]), .fromDevice)
        XCTAssertTrue(waiting.isWaiting)
        let released = Locked(0)
        try space.unmap(region) { released.withLock { $0 += 1 } }
        _ = first.pieceEnded(transferred: 512, isSuccess: true)
        XCTAssertEqual(released.current, 0)
        var steps = 0
        mapper.resume { transfer, _ in
            steps += 1
            _ = transfer.pieceEnded(transferred: 512, isSuccess: true)
        }
        XCTAssertEqual(steps, 1)
        XCTAssertEqual(released.current, 1)
        XCTAssertFalse(device.accesses.isEmpty, "it was written to although it had been removed")
    }

    /// What goes with a region may change the map again as it goes.
    func testADeviceRemovesAnotherRegionAsItGoes() throws {
        for isHeld in [true, false] {
            let space = try AddressSpace()
            let other = try space.map(.ram(try GuestRAM(size: 4096)), at: 0x10000)
            try space.unmap(space.map(.mmio(Bridge(space, other), size: 4096), at: 0))
            XCTAssertThrowsError(try space.load(at: 0x10000, as: UInt8.self))

            try space.map(.ram(try GuestRAM(size: 4096)), at: 0x20000)
            let last = try space.map(.ram(try GuestRAM(size: 4096)), at: 0x30000)
            let mapper = try DMAMapper(space)
            var region: MappedRegion? = try space.map(
                .mmio(Bridge(space, last), size: 4096), at: 0)
            let held = isHeld ? try mapper.map(address: 0x20000, length: 1, .toDevice) : nil
            try space.unmap(region!)
            region = nil
            XCTAssertEqual((try? space.load(at: 0x30000, as: UInt8.self)) != nil, isHeld)
            try held?.unmap()
            XCTAssertThrowsError(try space.load(at: 0x30000, as: UInt8.self))
        }
    }

    // MARK: Under load

    /// Three threads transfer to whatever is there while another puts memory there and takes it
    /// away: what is released is used by none of them, or memory that is gone would be written.
    func testMemoryComesAndGoesUnderLoad() throws {
        let space = try AddressSpace()
        let isOver = Locked(false)
        let failures = Outcomes()
        let count = Locked(0)
        let faults = Locked(0)
        let workers = (0..<3).map { number in
            Worker {
                failures.record {
                    let mapper = try DMAMapper(
                        space, options: DMAOptions(forceBounce: number == 2))
                    while !isOver.current {
                        try Self.transferOnce(on: mapper, count, faults)
                    }
                }
            }
        }
        var observed: [Plugged] = []
        for round in 0..<400 {
            let plugged = try Self.plug(into: space, dirty: round % 2 == 0)
            observed.append(plugged)
            let before = count.current
            if round % 4 == 0 { try eventually("it is used") { count.current > before } }
            try Self.unplug(plugged, from: space)
            if observed.count == 8 { observed.removeFirst().assertIsGone() }
        }
        isOver.current = true
        workers.forEach { $0.join() }
        for plugged in observed { plugged.assertIsGone() }
        XCTAssertEqual(failures.errors.count, 0, "\(failures.errors)")
        XCTAssertGreaterThan(count.current, 100)
    }

    /// Memory on its way through a machine.
    private final class Plugged: Sendable {
        let released = Locked(0)
        private let memory: Locked<(region: MappedRegion?, base: UInt)>
        private let reference: Locked<Weak>

        struct Weak { weak var ram: GuestRAM? }

        init(_ region: MappedRegion, _ ram: GuestRAM) {
            memory = Locked((region, UInt(bitPattern: ram.base)))
            reference = Locked(Weak(ram: ram))
        }

        /// The region, once.
        func take() -> MappedRegion? {
            memory.withLock { memory in
                defer { memory.region = nil }
                return memory.region
            }
        }

        /// Waits until it is released, which happens once.
        func assertIsGone(line: UInt = #line) {
            XCTAssertNoThrow(try eventually("released") { released.current > 0 }, line: line)
            XCTAssertEqual(released.current, 1, line: line)
            XCTAssertNil(reference.withLock { $0.ram }, line: line)
        }
    }

    private static func plug(into space: AddressSpace, dirty: Bool) throws -> Plugged {
        let ram = try GuestRAM(size: size)
        if dirty { ram.dirtyLog.start(.migration) }
        return Plugged(try space.map(.ram(ram), at: 0), ram)
    }

    private static func unplug(_ plugged: Plugged, from space: AddressSpace) throws {
        guard let region = plugged.take() else { return }
        try space.unmap(region) { [released = plugged.released] in released.withLock { $0 += 1 } }
    }

    private static func transferOnce(
        on mapper: DMAMapper, _ count: Locked<Int>, _ faults: Locked<Int>
    ) throws {
        let list = ScatterGatherList([(0x8000, 4096), (0x1000, 4096), (0x3000, 512)])
        let (transfer, step) = mapper.begin(list, .fromDevice)
        switch step {
        case .done(let result):
            guard case .fault(let error) = result.outcome, error.code == .hole else {
                throw FixtureError.failed("\(result)")
            }
            faults.withLock { $0 += 1 }
        case .submit(let piece):
            // What the kernel does; the tables of processes tell no lies about what is mapped.
            let zero = Descriptor(Descriptor.open("/dev/zero", O_RDONLY))
            let read = Glibc.readv(zero.raw, piece.vectors.baseAddress, CInt(piece.vectors.count))
            guard read == 8704 else { throw FixtureError.failed("readv \(read), errno \(errno)") }
            _ = transfer.pieceEnded(transferred: 8704, isSuccess: true)
            count.withLock { $0 += 1 }
        case .wait: _ = transfer.cancel()
        }
    }
}

/// A device that takes the region behind it along.
private final class Bridge: MMIODevice {
    private let space: AddressSpace
    private let behind: MappedRegion

    init(_ space: AddressSpace, _ behind: MappedRegion) {
        self.space = space
        self.behind = behind
    }

    deinit { try? space.unmap(behind) }

    func read(offset: UInt64, width: Int) -> UInt64? { 0 }
    func write(offset: UInt64, width: Int, value: UInt64) -> Bool { true }
}
