import CTestSupport
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Memory that is taken away while it is mapped: an error on every path, for good.
final class LostMemoryTests: XCTestCase {
    /// Where ``shared`` is in ``space``.
    private static let base: GuestAddress = 0x10_0000
    private static let size = 16 * 4096

    private var space: AddressSpace!
    private var peer: PeerFile!
    private var shared: GuestRAM!

    override func setUpWithError() throws {
        try GuestRAM.surviveTruncation()
        space = try AddressSpace()
        peer = try PeerFile(size: Self.size, fill: 0x5A)
        shared = try GuestRAM(descriptor: peer.descriptor, size: Self.size)
        try space.map(.ram(shared), at: Self.base)
    }

    override func tearDown() {
        space = nil
        shared = nil
        peer = nil
    }

    private func assertLost(
        at address: GuestAddress? = nil, line: UInt = #line, _ body: () throws -> Void
    ) {
        XCTAssertThrowsError(try body(), line: line) { error in
            let error = error as? GuestMemoryError
            XCTAssertEqual(error?.code, .system, line: line)
            XCTAssertEqual(error?.errno, EFAULT, line: line)
            if let address { XCTAssertEqual(error?.address, address, line: line) }
        }
    }

    private func assertLost(_ result: DMAResult?, line: UInt = #line) {
        guard case .fault(let error)? = result?.outcome else {
            return XCTFail("\(result as Any)", line: line)
        }
        XCTAssertEqual(error.code, .system, line: line)
        XCTAssertEqual(error.errno, EFAULT, line: line)
    }

    // MARK: Memory of the library's own

    /// Whoever has the descriptor can neither take the memory away nor seal what is still needed.
    func testMemoryThatIsSharedIsSealed() throws {
        let ram = try GuestRAM(size: 4 * 4096, sharing: .descriptor)
        let descriptor = dup(ram.descriptor)
        defer { close(descriptor) }
        for size: off_t in [0, 4096, 4 * 4096 - 1, 4 * 4096 + 1, 1 << 30] {
            XCTAssertEqual(ftruncate(descriptor, size), -1, "\(size)")
            XCTAssertEqual(errno, EPERM)
        }
        // F_GET_SEALS: F_SEAL_SEAL, F_SEAL_SHRINK and F_SEAL_GROW (fcntl(2)).
        XCTAssertEqual(fcntl(descriptor, 1034), 0x7)
        // F_ADD_SEALS, F_SEAL_WRITE.
        XCTAssertEqual(fcntl(descriptor, 1033, 8), -1)
        var status = stat()
        XCTAssertEqual(fstat(descriptor, &status), 0)
        XCTAssertEqual(status.st_size, 4 * 4096)
        ram.put([1, 2, 3], at: 4 * 4096 - 3)
        let other = try GuestRAM(descriptor: descriptor, size: 4 * 4096)
        assertBytes(other.bytes(4 * 4096 - 3..<4 * 4096), [1, 2, 3])
    }

    // MARK: Copies

    func testWhatIsLostIsLostForEveryAccess() throws {
        try peer.shorten(to: 2 * 4096)
        for round in 0..<3 {
            // The second time it was zeroes; the third time the file is as long as it was.
            if round == 2 { try peer.restore() }
            assertLost(at: Self.base + 0x8000) {
                _ = try space.load(at: Self.base + 0x8000, as: UInt64.self)
            }
            assertLost(at: Self.base + 0x8008) {
                try space.store(UInt16(1), at: Self.base + 0x8008)
            }
            assertLost(at: Self.base + 0x9123) {
                _ = try space.bytes(at: Self.base + 0x9123, count: 999)
            }
            assertLost(at: Self.base + 0xA000) {
                try space.fill(at: Self.base + 0xA000, with: 1, count: 4096)
            }
        }
        XCTAssertEqual(
            try space.load(at: Self.base + 0x1FF8, as: UInt64.self), 0x5A5A_5A5A_5A5A_5A5A)
        try space.store(UInt8(1), at: Self.base)
        XCTAssertEqual(try space.load(at: Self.base, as: UInt8.self), 1)
    }

    /// The error names the first byte that is not there, and what is before it has been copied.
    func testTheFirstLostByteIsNamed() throws {
        try peer.shorten(to: 2 * 4096)
        let lost = Self.base + 0x2000
        var buffer = [UInt8](repeating: 0, count: 8192)
        for start in [0x1000, 0x1001, 0x1FE0, 0x1FFF] {
            let intact = 0x2000 - start
            buffer = [UInt8](repeating: 0, count: 8192)
            assertLost(at: lost) {
                try buffer.withUnsafeMutableBytes {
                    try space.read(at: Self.base + UInt64(start), into: $0)
                }
            }
            assertBytes(
                buffer,
                [UInt8](repeating: 0x5A, count: intact)
                    + [UInt8](repeating: 0, count: 8192 - intact), "from \(start) on")
        }
        assertLost(at: lost) { try space.put([UInt8](repeating: 7, count: 64), at: lost - 32) }
        assertBytes(
            try space.bytes(at: lost - 33, count: 33), [0x5A] + [UInt8](repeating: 7, count: 32))
    }

    /// Behind other memory: the address is that of the part that has gone, not of the whole access.
    func testFillNamesTheFirstLostByte() throws {
        let before = try GuestRAM(size: 4096)
        try space.map(.ram(before), at: Self.base - 4096)
        try peer.shorten(to: 0)
        for _ in 0..<2 {
            assertLost(at: Self.base) {
                try space.fill(at: Self.base - 4096, with: 9, count: 8192)
            }
            assertLost(at: Self.base) {
                try space.put([UInt8](repeating: 9, count: 8192), at: Self.base - 4096)
            }
            assertLost(at: Self.base) { _ = try space.bytes(at: Self.base - 4096, count: 8192) }
        }
        assertBytes(before.bytes(0..<4096), [UInt8](repeating: 9, count: 4096))
    }

    /// An access past the library is answered with zeroes, and the library knows of it.
    func testAnAccessOfTheEmulatorsOwnGetsZeroes() throws {
        try peer.shorten(to: 4096)
        XCTAssertEqual(shared.bytes(0x3FF0..<0x4010), [UInt8](repeating: 0, count: 32))
        assertLost { _ = try space.load(at: Self.base + 0x4000, as: UInt8.self) }
        let mapper = try DMAMapper(space)
        var device = MemoryDevice([UInt8](repeating: 1, count: 512))
        assertLost(device.carryOut(.init([(Self.base + 0x4000, 512)]), .toDevice, on: mapper))
        assertLost(device.carryOut(.init([(Self.base + 0x4000, 512)]), .fromDevice, on: mapper))
        XCTAssertEqual(device.medium, [UInt8](repeating: 1, count: 512))
    }

    /// Whatever threads do while the memory goes, they get its bytes or an error, and never zeroes.
    func testNobodyGetsZeroesWhileMemoryGoes() throws {
        for round in 0..<30 * Rounds.count {
            let peer = try PeerFile(size: Self.size, fill: 0x5A)
            let space = try AddressSpace()
            try space.map(.ram(GuestRAM(descriptor: peer.descriptor, size: peer.size)), at: 0)
            let wrong = Locked<[String]>([])
            let workers = [8, 600, 4096].map { count in
                Worker {
                    let found = Self.readUntilLost(space, count: count)
                    if let found { wrong.withLock { $0.append(found) } }
                }
            }
            if round % 3 > 0 { usleep(UInt32(round % 3) * 200) }
            try peer.shorten(to: 4096)
            for worker in workers { worker.join() }
            XCTAssertEqual(wrong.withLock { $0 }, [], "round \(round)")
        }
    }

    /// Reads all pages again and again until one is lost; what was read that nobody wrote.
    private static func readUntilLost(_ space: AddressSpace, count: Int) -> String? {
        guard let mapper = try? DMAMapper(space, options: DMAOptions(forceBounce: true)) else {
            return "no mapper"
        }
        for address in stride(from: UInt64(0), to: .max, by: 4096) {
            let address = GuestAddress(address % UInt64(size))
            var bytes = [UInt8](repeating: 0, count: count)
            do {
                if count == 4096 {
                    var device = MemoryDevice(bytes)
                    let list = ScatterGatherList([(address, UInt64(count))])
                    let result = device.carryOut(list, .toDevice, on: mapper)
                    if case .fault(let error)? = result?.outcome { throw error }
                    bytes = device.medium
                } else {
                    bytes = try space.bytes(at: address, count: count)
                }
            } catch {
                return (error as? GuestMemoryError)?.errno == EFAULT ? nil : "\(error)"
            }
            if bytes.contains(where: { $0 != 0x5A }) { return "\(bytes) at \(address)" }
        }
        return nil
    }

    // MARK: Transfers

    /// Each way in which bytes get to a device.
    private func forEachMapper(_ body: (DMAMapper, Int, String) throws -> Void) throws {
        try body(try DMAMapper(space), 1, "direct")
        try body(try DMAMapper(space), 512, "aligned")
        try body(try DMAMapper(space, options: DMAOptions(forceBounce: true)), 1, "bounced")
        try body(try DMAMapper(space, resolvers: [ByteSwapper(width: 2)]), 1, "swapped")
    }

    func testTransfersOfLostMemoryDoNotBegin() throws {
        let good = try GuestRAM(size: 4096)
        try space.map(.ram(good), at: 0)
        try peer.shorten(to: 4096)
        assertLost { _ = try space.load(at: Self.base + 0x3000, as: UInt8.self) }
        try peer.restore()
        let lists: [[(address: GuestAddress, length: UInt64)]] = [
            [(Self.base + 0x3000, 512)], [(Self.base + 0x5802, 512)],
            [(Self.base + 0x2C00, 2048)], [(0, 512), (Self.base + 0x4000, 512)],
            [(Self.base, 512), (Self.base + 0x4002, 254), (0, 258)],
        ]
        try forEachMapper { mapper, alignment, what in
            for list in lists {
                let length = Int(list.reduce(0) { $0 + $1.length })
                for direction in [DMADirection.toDevice, .fromDevice] {
                    var device = MemoryDevice([UInt8](repeating: 1, count: length))
                    let result = device.carryOut(
                        .init(list), direction, on: mapper, alignment: alignment)
                    assertLost(result)
                    XCTAssertEqual(result?.transferred, 0, "\(what), \(list), \(direction)")
                    XCTAssertEqual(device.medium, [UInt8](repeating: 1, count: length))
                }
            }
            var device = MemoryDevice([UInt8](repeating: 1, count: 512))
            XCTAssertEqual(
                device.carryOut(.init([(Self.base + 0x800, 512)]), .toDevice, on: mapper)?.outcome,
                .success, what)
            XCTAssertEqual(device.medium, [UInt8](repeating: 0x5A, count: 512))
            for count in [8, 256, 3000] {
                var buffer = [UInt8](repeating: 0, count: count)
                assertLost {
                    try buffer.withUnsafeMutableBytes {
                        try mapper.read(at: Self.base + 0x6000, into: $0)
                    }
                }
            }
            assertLost {
                let mapping = try mapper.map(
                    address: Self.base + 0x6000, length: 512, .fromDevice, alignment: alignment)
                try mapping.unmap()
            }
        }
        assertBytes(good.bytes(0..<4096), [UInt8](repeating: 0, count: 4096))
    }

    /// A bus whose addresses begin at ``base``.
    private final class FromZero: AddressResolver {
        func resolve(
            _ address: GuestAddress, length: UInt64, direction: DMADirection
        ) throws(GuestMemoryError) -> ResolvedRange {
            ResolvedRange(address: LostMemoryTests.base + address.rawValue, length: length)
        }
    }

    /// A read that resolvers have a part in names the first byte that is not there, as any other does.
    func testAReadThroughResolversNamesTheFirstLostByte() throws {
        try peer.shorten(to: 4096)
        let mapper = try DMAMapper(space, resolvers: [FromZero()])
        var buffer = [UInt8](repeating: 0, count: 8192)
        for _ in 0..<2 {
            assertLost(at: 4096) {
                try buffer.withUnsafeMutableBytes { try mapper.read(at: 16, into: $0) }
            }
            XCTAssertEqual(mapper.statistics.active, 0)
        }
    }

    /// The device has it mapped when it goes, and does not notice.
    func testMemoryIsLostDuringATransfer() throws {
        let mapper = try DMAMapper(space)
        for direction in [DMADirection.toDevice, .fromDevice] {
            peer = try PeerFile(size: Self.size, fill: 0x5A)
            let memory = try GuestRAM(descriptor: peer.descriptor, size: Self.size)
            let mapped = try space.map(.ram(memory), at: 0x20_0000)
            defer { try? space.unmap(mapped) }
            let list = ScatterGatherList([(0x20_4000, 1024)])
            let (transfer, first) = mapper.begin(list, direction)
            let mapping = try mapper.map(address: 0x20_4200, length: 512, direction)
            guard case .submit(let piece) = first else { return XCTFail("\(first)") }
            try peer.shorten(to: 4096)
            assertLost { try space.store(UInt8(1), at: 0x20_4000) }
            let step = transfer.pieceEnded(transferred: piece.length, isSuccess: true)
            guard case .done(let result) = step else { return XCTFail("\(step)") }
            assertLost(result)
            do {
                try mapping.unmap()
                XCTFail("the mapping of lost memory ends as any other")
            } catch {
                assertLost { throw error }
            }
        }
    }
}
