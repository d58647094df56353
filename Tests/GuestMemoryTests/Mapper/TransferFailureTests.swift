import GuestMemory
import XCTest

@testable import TestSupport

/// Transfers that fail half-way: no page that may have changed is left clean, and the result
/// says how far it came.
/// See docs/guest-memory.md, D8.
final class TransferFailureTests: XCTestCase {
    /// RAM, registers and RAM: the shape of all lists here.
    private static let elements: [(GuestAddress, UInt64)] = [
        (4096 - 100, 1000), (Guest.registersBase + 8, 1000), (3 * 4096, 1000),
        (Guest.registersBase + 2048, 1000), (5 * 4096, 1096),
    ]

    private var list: ScatterGatherList {
        ScatterGatherList(Self.elements.map { ($0.0, $0.1) })
    }

    func testAFailedPieceOfRAMIsMarkedAsAWhole() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice(pattern(12_288))
        for failsAt in [0, 1, 5000, 12_287] as [UInt64] {
            device.failsAt = failsAt
            let list = ScatterGatherList([(4096, 4096), (100_000, 8192)])
            XCTAssertEqual(
                device.carryOut(list, .fromDevice, on: mapper),
                DMAResult(.deviceFailed, failsAt))
            XCTAssertEqual(guest.takeDirty()[0], [1, 24, 25, 26])
            // Reading marks nothing, failed or not.
            XCTAssertEqual(
                device.carryOut(list, .toDevice, on: mapper), DMAResult(.deviceFailed, failsAt))
            XCTAssertEqual(guest.takeDirty()[0], [])
        }
    }

    /// What bounced is there as far as the device says, and not a byte further.
    func testABouncedPieceIsCopiedAsFarAsItCame() throws {
        for failsAt in [0, 1, 700, 4095] as [UInt64] {
            let guest = try Guest()
            let before = guest.ram.bytes(0..<8192)
            let mapper = try DMAMapper(guest.space, options: DMAOptions(forceBounce: true))
            var device = MemoryDevice(pattern(4096))
            device.failsAt = failsAt
            XCTAssertEqual(
                device.carryOut(
                    ScatterGatherList([(300, 300), (4196, 3796)]), .fromDevice, on: mapper),
                DMAResult(.deviceFailed, failsAt))
            var expected = before
            for position in 0..<Int(failsAt) {
                expected[position < 300 ? 300 + position : 4196 + position - 300] =
                    device.medium[position]
            }
            assertBytes(guest.ram.bytes(0..<8192), expected, "\(failsAt)")
            XCTAssertEqual(
                guest.takeDirty()[0], failsAt == 0 ? [] : failsAt <= 300 ? [0] : [0, 1])
        }
    }

    /// At each byte, in each piece: what is before is there, and everything that has changed is
    /// dirty.
    func testADeviceThatFailsAnywhere() throws {
        for cap in [512, 1024, 1 << 20] {
            for failsAt in stride(from: 0, to: 5096, by: 97) {
                let guest = try Guest()
                let before = guest.ram.bytes(0..<guest.ram.size)
                let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: cap))
                var device = MemoryDevice(pattern(5096, seed: 3))
                device.failsAt = UInt64(failsAt)
                let result = device.carryOut(list, .fromDevice, on: mapper)
                XCTAssertEqual(result, DMAResult(.deviceFailed, UInt64(failsAt)), "cap \(cap)")
                var position = 0
                for (address, length) in Self.elements {
                    let count = Swift.max(0, Swift.min(Int(length), failsAt - position))
                    let isRegister = address >= Guest.registersBase
                    let place = Int(
                        address.offset(from: isRegister ? Guest.registersBase : Guest.ramBase))
                    let found =
                        isRegister
                        ? Array(guest.registers.bytes[place...].prefix(count))
                        : guest.ram.bytes(place..<place + count)
                    assertBytes(found, Array(device.medium[position..<position + count]))
                    position += Int(length)
                }
                let changed = guest.ram.changedPages(since: before)
                let dirty = guest.takeDirty()[0]
                XCTAssertTrue(Set(changed).isSubset(of: dirty), "\(changed) of \(dirty)")
                XCTAssertTrue(Set(dirty).isSubset(of: [0, 1, 3, 5]), "\(dirty)")
                XCTAssertEqual(guest.space.bouncePool.available, 1 << 20)
            }
        }
    }

    // MARK: Registers that refuse

    /// What the device had written directly is marked although the copying stops before.
    func testRegistersThatRefuseInTheMiddleOfARead() throws {
        for cap in [512, 1 << 20] {
            let guest = try Guest()
            let ram = guest.ram.bytes(0..<guest.ram.size)
            guest.registers.refuse(508..<509)
            let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: cap))
            var device = MemoryDevice(pattern(5096, seed: 3))
            let result = device.carryOut(list, .fromDevice, on: mapper, unit: 8)
            guard case .fault(let error) = result?.outcome else {
                return XCTFail("\(result as Any)")
            }
            XCTAssertEqual(error.code, .deviceRefused)
            XCTAssertEqual(error.address, Guest.registersBase + 508)
            XCTAssertEqual(result?.transferred, 0)
            assertBytes(Array(guest.registers.bytes[8..<508]), Array(device.medium[1000..<1500]))
            assertBytes(guest.ram.bytes(3996..<4996), Array(device.medium[..<1000]))
            let dirty = guest.takeDirty()[0]
            if cap == 512 {
                // Only the first piece was submitted.
                XCTAssertEqual(dirty, [0, 1])
                assertBytes(guest.ram.bytes(8192..<guest.ram.size), Array(ram[8192...]))
            } else {
                XCTAssertEqual(dirty, [0, 1, 3, 5])
            }
            XCTAssertEqual(mapper.statistics.active, 0)
            XCTAssertEqual(guest.space.bouncePool.available, 1 << 20)
        }
    }

    func testRegistersThatRefuseAfterTheFirstPiece() throws {
        let guest = try Guest()
        guest.registers.refuse(2600..<2601)
        let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: 1024))
        var device = MemoryDevice(pattern(5096, seed: 3))
        let result = device.carryOut(list, .fromDevice, on: mapper, unit: 8)
        guard case .fault(let error) = result?.outcome else { return XCTFail("\(result as Any)") }
        XCTAssertEqual(error.address, Guest.registersBase + 2600)
        // The piece before ended where the cap did: 1024 bytes of registers, and what is direct.
        XCTAssertEqual(result?.transferred, device.pieces.last?.offset)
        XCTAssertEqual(device.pieces.count, 2)
        XCTAssertEqual(guest.takeDirty()[0], [0, 1, 3, 5])
    }

    func testRegistersThatRefuseToBeRead() throws {
        for (refused, cap, pieces) in [
            (508 as UInt64, 1 << 20, 0), (2048, 1 << 20, 0), (2600, 1024, 1),
        ] {
            let guest = try Guest()
            let before = guest.ram.bytes(0..<guest.ram.size)
            guest.registers.refuse(refused..<refused + 1)
            let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: cap))
            var device = MemoryDevice([UInt8](repeating: 0, count: 5096))
            let result = device.carryOut(list, .toDevice, on: mapper, unit: 8)
            guard case .fault(let error) = result?.outcome else {
                return XCTFail("\(result as Any)")
            }
            XCTAssertEqual(error.code, .deviceRefused)
            XCTAssertEqual(error.address, Guest.registersBase + refused)
            XCTAssertEqual(device.pieces.count, pieces)
            XCTAssertEqual(
                result?.transferred, device.pieces.last.map { $0.offset + $0.length } ?? 0)
            assertBytes(guest.ram.bytes(0..<guest.ram.size), before)
            XCTAssertEqual(guest.takeDirty(), [[], [], []])
            XCTAssertEqual(guest.space.bouncePool.available, 1 << 20)
            XCTAssertEqual(mapper.statistics.active, 0)
        }
    }

    // MARK: Cancelling

    func testCancelledBetweenPieces() throws {
        let guest = try Guest(bounceLimit: 512)
        let mapper = try DMAMapper(guest.space)
        let list = ScatterGatherList([(Guest.registersBase, 2048)])
        let (transfer, step) = mapper.begin(list, .fromDevice)
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        XCTAssertNil(transfer.cancel(), "the answer to the piece brings the result")
        var device = MemoryDevice(pattern(2048))
        guard case .done(let result) = device.carryOut(piece, of: transfer) else {
            return XCTFail("not done")
        }
        XCTAssertEqual(result, DMAResult(.cancelled, 512))
        assertBytes(Array(guest.registers.bytes[..<512]), Array(device.medium[..<512]))
        XCTAssertEqual(guest.space.bouncePool.available, 512)
    }

    /// Too late to cancel what is all there.
    func testCancelledInTheLastPiece() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        for address in [0, Guest.registersBase] {
            let list = ScatterGatherList([(address, 512)])
            let (transfer, step) = mapper.begin(list, .fromDevice)
            guard case .submit(let piece) = step else { return XCTFail("\(step)") }
            XCTAssertNil(transfer.cancel())
            var device = MemoryDevice(pattern(512))
            guard case .done(let result) = device.carryOut(piece, of: transfer) else {
                return XCTFail("not done")
            }
            XCTAssertEqual(result, DMAResult(.success, 512))
        }
        // What was asked of the former user of a transfer is not asked of the next.
        var device = MemoryDevice(pattern(4096))
        try mapper.setOptions(DMAOptions(bounceLimit: 512))
        XCTAssertEqual(
            device.carryOut(
                ScatterGatherList([(Guest.registersBase, 4096)]), .fromDevice, on: mapper),
            DMAResult(.success, 4096))
    }
}
