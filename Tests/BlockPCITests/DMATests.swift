import BlockPCI
import GuestMemory
import XCTest

@testable import TestSupport

/// The gate of a function and the resolvers of its bus (docs/guest-memory.md, D13).
final class DMATests: XCTestCase {
    /// A step that adds to each address, and remembers the addresses that it was asked for.
    private final class Shift: AddressResolver {
        private let distance: UInt64
        let seen = Locked<[GuestAddress]>([])

        init(by distance: UInt64) { self.distance = distance }

        func resolve(
            _ address: GuestAddress, length: UInt64, direction: DMADirection
        ) throws(GuestMemoryError) -> ResolvedRange {
            seen.withLock { $0.append(address) }
            return ResolvedRange(address: address &+ distance, length: length)
        }
    }

    private var ram: GuestRAM!
    private var space: AddressSpace!

    override func setUpWithError() throws {
        ram = try GuestRAM(size: 1 << 20)
        space = try AddressSpace()
        try space.map(.ram(ram), at: 0)
    }

    override func tearDown() {
        space = nil
        ram = nil
    }

    private func function(_ bus: PCIBus) -> PCIFunction {
        PCIFunction(PCITestCase.layout, on: bus)
    }

    private func enable(_ function: PCIFunction, _ command: PCICommand) {
        function.writeConfiguration(
            PCIRegister.command, width: 2, value: UInt32(command.rawValue))
    }

    private func list(_ addresses: GuestAddress...) -> ScatterGatherList {
        var list = ScatterGatherList()
        for address in addresses { list.append(address: address, length: 512) }
        return list
    }

    /// Moves 512 bytes of `byte` for each address into memory, and returns how it ended.
    private func write(
        _ byte: UInt8, through mapper: DMAMapper, _ list: borrowing ScatterGatherList
    ) -> DMAResult? {
        let (transfer, first) = mapper.begin(list, .fromDevice)
        var step = first
        while case .submit(let piece) = step {
            for vector in piece.vectors { memset(vector.iov_base, CInt(byte), vector.iov_len) }
            step = transfer.pieceEnded(transferred: piece.length, isSuccess: true)
        }
        guard case .done(let result) = step else { return nil }
        return result
    }

    private func byte(at offset: Int) -> UInt8 {
        ram.base.load(fromByteOffset: offset, as: UInt8.self)
    }

    private func assertClosed(
        _ result: DMAResult?, at address: GuestAddress, _ message: String, line: UInt = #line
    ) {
        guard case .fault(let error)? = result?.outcome else {
            return XCTFail("\(message): \(String(describing: result))", line: line)
        }
        XCTAssertEqual(error.code, .gateClosed, message, line: line)
        XCTAssertEqual(error.address, address, message, line: line)
        XCTAssertTrue(error.isGuestFault)
        XCTAssertEqual(result?.transferred, 0, message, line: line)
    }

    // MARK: The gate

    func testNoDMABeginsWhileTheGateIsClosed() throws {
        let function = function(PCIBus(space))
        let mapper = try function.mapper()
        for command: PCICommand in [[], [.io], [.memory, .interruptDisable]] {
            enable(function, command)
            XCTAssertFalse(function.gate.isOpen)
            XCTAssertFalse(mapper.isOpen)
            assertClosed(
                write(0xAA, through: mapper, list(0x2000, 0x3000)), at: 0x2000, "a transfer")
            var bytes = [UInt8](repeating: 0, count: 16)
            XCTAssertThrowsError(
                try bytes.withUnsafeMutableBytes { try mapper.read(at: 0x2000, into: $0) }
            ) { XCTAssertEqual(($0 as? GuestMemoryError)?.code, .gateClosed) }
            do throws(GuestMemoryError) {
                let mapping = try mapper.map(address: 0x2000, length: 16, .fromDevice)
                try mapping.unmap()
                XCTFail("mapped \(command)")
            } catch {
                XCTAssertEqual(error.code, .gateClosed)
                XCTAssertEqual(error.address, 0x2000)
            }
        }
        XCTAssertEqual(byte(at: 0x2000), 0)
        XCTAssertEqual(mapper.statistics.active, 0)
        enable(function, .busMaster)
        XCTAssertTrue(mapper.isOpen)
        XCTAssertEqual(write(0xAA, through: mapper, list(0x2000, 0x3000))?.outcome, .success)
        XCTAssertEqual([byte(at: 0x2000), byte(at: 0x31FF), byte(at: 0x3200)], [0xAA, 0xAA, 0])
        function.reset()
        assertClosed(write(0xBB, through: mapper, list(0x2000)), at: 0x2000, "after a reset")
        XCTAssertEqual(byte(at: 0x2000), 0xAA)
        assertClosed(write(0xBB, through: mapper, ScatterGatherList()), at: 0, "an empty list")
    }

    /// As docs/ide-rules.md has it: what has begun ends as usual.
    func testATransferThatHasBegunGoesOn() throws {
        let function = function(PCIBus(space))
        // In pieces, of which each is mapped and copied on its own.
        let mapper = try function.mapper(
            options: DMAOptions(forceBounce: true, bounceLimit: 512))
        enable(function, .busMaster)
        let (transfer, first) = mapper.begin(list(0x2000, 0x3000, 0x4000), .fromDevice)
        var step = first
        enable(function, [])
        var pieces = 0
        while case .submit(let piece) = step {
            pieces += 1
            for vector in piece.vectors { memset(vector.iov_base, 0x55, vector.iov_len) }
            step = transfer.pieceEnded(transferred: piece.length, isSuccess: true)
        }
        guard case .done(let result) = step else { return XCTFail("\(step)") }
        XCTAssertEqual(result.outcome, .success)
        XCTAssertEqual(pieces, 3)
        XCTAssertEqual([byte(at: 0x2000), byte(at: 0x3000), byte(at: 0x41FF)], [0x55, 0x55, 0x55])
        assertClosed(write(0x66, through: mapper, list(0x2000)), at: 0x2000, "the next one")
    }

    func testEachFunctionHasItsOwnGate() throws {
        let bus = PCIBus(space)
        let functions = [function(bus), function(bus)]
        let mappers = try functions.map { try $0.mapper() }
        let second = try functions[0].mapper()
        enable(functions[0], .busMaster)
        XCTAssertEqual(write(1, through: mappers[0], list(0x2000))?.outcome, .success)
        XCTAssertEqual(write(1, through: second, list(0x2000))?.outcome, .success, "each mapper")
        assertClosed(write(1, through: mappers[1], list(0x2000)), at: 0x2000, "the neighbour")
    }

    // MARK: Resolvers

    /// Those of the bus are behind those of the device, for every function on the bus.
    func testResolversOfTheBusAndOfTheDevice() throws {
        let own = Shift(by: 0x100)
        let bridge = Shift(by: 0x1000)
        let iommu = Shift(by: 0x10000)
        let bus = PCIBus(space, resolvers: [bridge, iommu])
        let first = function(bus)
        let second = function(bus)
        for function in [first, second] { enable(function, .busMaster) }
        let mapper = try first.mapper(resolvers: [own])
        XCTAssertEqual(write(0x11, through: mapper, list(0x2000))?.outcome, .success)
        XCTAssertEqual(
            [own, bridge, iommu].map { $0.seen.withLock { $0 } }, [[0x2000], [0x2100], [0x3100]])
        XCTAssertEqual([byte(at: 0x130FF), byte(at: 0x13100), byte(at: 0x132FF)], [0, 0x11, 0x11])
        let other = try second.mapper()
        XCTAssertEqual(write(0x22, through: other, list(0x2000))?.outcome, .success)
        XCTAssertEqual([own, bridge].map { $0.seen.withLock { $0.last } }, [0x2000, 0x2000])
        XCTAssertEqual(own.seen.withLock { $0.count }, 1, "another device's")
        XCTAssertEqual(byte(at: 0x13000), 0x22)
        var bytes = [UInt8](repeating: 0, count: 2)
        try bytes.withUnsafeMutableBytes { try other.read(at: 0x20FF, into: $0) }
        XCTAssertEqual(bytes, [0x22, 0x22], "descriptors too")
        // A gate that is closed is before all of them.
        enable(second, [])
        assertClosed(write(0x33, through: other, list(0x2000)), at: 0x2000, "closed")
        XCTAssertEqual(bridge.seen.withLock { $0.count }, 3)
    }

    func testEightStepsAtMost() throws {
        let steps = (0..<9).map { _ in Shift(by: 0) }
        let function = function(PCIBus(space, resolvers: Array(steps[..<5])))
        enable(function, .busMaster)
        let mapper = try function.mapper(resolvers: Array(steps[5..<8]))
        XCTAssertEqual(write(0x44, through: mapper, list(0x2000))?.outcome, .success)
        XCTAssertThrowsError(try function.mapper(resolvers: Array(steps[5..<9]))) {
            XCTAssertEqual(($0 as? GuestMemoryError)?.code, .invalidOption)
        }
    }
}
