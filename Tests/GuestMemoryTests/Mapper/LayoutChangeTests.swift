import GuestMemory
import XCTest

@testable import TestSupport

/// A transfer keeps the map it began with: what others do to the address space meanwhile is
/// for the next one.
/// See docs/guest-memory.md, D8.
final class LayoutChangeTests: XCTestCase {
    func testADirectTransferEndsInTheMemoryItBeganWith() throws {
        let space = try AddressSpace()
        var memory: [GuestRAM] = []
        for _ in 0..<2 {
            memory.append(try GuestRAM(size: 8192))
            memory.last?.dirtyLog.start(.migration)
        }
        let mapped = try space.map(.ram(memory[0]), at: 0)
        let mapper = try DMAMapper(space)
        let list = ScatterGatherList([(4000, 200)])
        let (transfer, step) = mapper.begin(list, .fromDevice)
        let isReleased = Locked(false)
        try space.update { (changes) throws(GuestMemoryError) -> Void in
            changes.unmap(mapped) { isReleased.current = true }
            try changes.map(.ram(memory[1]), at: 0)
        }
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        var device = MemoryDevice(pattern(200))
        XCTAssertFalse(isReleased.current)
        guard case .done(let result) = device.carryOut(piece, of: transfer) else {
            return XCTFail("not done")
        }
        XCTAssertEqual(result, DMAResult(.success, 200))
        XCTAssertTrue(isReleased.current)
        assertBytes(memory[0].bytes(4000..<4200), pattern(200))
        XCTAssertEqual(memory.map { $0.dirtyLog.takePages() }, [[0, 1], []])
        XCTAssertEqual(device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success)
        XCTAssertEqual(memory.map { $0.dirtyLog.takePages() }, [[], [0, 1]])
        assertBytes(memory[1].bytes(4000..<4200), pattern(200))
    }

    /// Its later pieces too, also those that bounce.
    func testEachPieceGoesByTheMapOfTheFirst() throws {
        for direction in [DMADirection.toDevice, .fromDevice] {
            let guest = try Guest(bounceLimit: 512)
            let mapper = try DMAMapper(guest.space)
            let list = ScatterGatherList([
                (Guest.registersBase, 1024), (0, 100), (Guest.flashBase, 924),
            ])
            let before =
                guest.registers.bytes[..<1024] + guest.ram.bytes(0..<100)
                + guest.flash.bytes(0..<924)
            var (transfer, step) = mapper.begin(list, direction, unit: 512)
            var device = MemoryDevice(
                direction == .toDevice ? [UInt8](repeating: 0, count: 2048) : pattern(2048))
            let late = ByteStore(size: 1 << 16)
            var pieces = 0
            while case .submit(let piece) = step {
                try guest.space.map(.hole(size: 1 << 40), at: 0, priority: pieces + 10)
                try guest.space.map(.mmio(late, size: 1 << 16), at: 0, priority: pieces + 20)
                step = device.carryOut(piece, of: transfer)
                pieces += 1
            }
            guard case .done(let result) = step else { return XCTFail("\(step)") }
            XCTAssertEqual(result, DMAResult(.success, 2048))
            // Flash is read directly, and written by way of its device.
            XCTAssertEqual(pieces, direction == .toDevice ? 2 : 4)
            XCTAssertEqual(late.accesses, [])
            if direction == .toDevice {
                assertBytes(device.medium, Array(before))
            } else {
                assertBytes(
                    guest.registers.bytes[..<1024] + guest.ram.bytes(0..<100)
                        + guest.flashDevice.bytes[..<924], device.medium)
                XCTAssertEqual(guest.takeDirty(), [[0], [], []])
            }
            XCTAssertThrowsError(try guest.space.load(at: Guest.flashBase, as: UInt8.self))
        }
    }

    func testATransferThatWaitsKeepsItsMap() throws {
        let guest = try Guest(bounceLimit: 4096)
        let first = try DMAMapper(guest.space)
        let second = try DMAMapper(guest.space)
        let list = ScatterGatherList([(Guest.registersBase, 4096)])
        let held = try first.map(list, .toDevice)
        let (transfer, step) = second.begin(list, .fromDevice)
        guard case .wait = step else { return XCTFail("\(step)") }
        try guest.space.map(.hole(size: 1 << 40), at: 0, priority: 9)
        try held.unmap()
        var device = MemoryDevice(pattern(4096, seed: 12))
        var result: DMAResult?
        second.resume { resumed, step in
            XCTAssertTrue(resumed === transfer)
            guard case .submit(let piece) = step else { return XCTFail("\(step)") }
            if case .done(let end) = device.carryOut(piece, of: resumed) { result = end }
        }
        XCTAssertEqual(result, DMAResult(.success, 4096))
        assertBytes(Array(guest.registers.bytes[..<4096]), device.medium)
    }
}
