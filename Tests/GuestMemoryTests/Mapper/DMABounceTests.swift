import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// What is not memory bounces (docs/guest-memory.md, D3), under a cap and in pieces.
final class DMABounceTests: RandomTestCase {
    private static let caps = (9...20).map { 1 << $0 }

    /// What pieces must be, whatever the list: one behind the other, cut at multiples of the unit,
    /// with no more of the bounce buffer than the cap.
    private func assertPieces(
        _ device: MemoryDevice, of guest: Guest, cap: Int, unit: Int = 1, line: UInt = #line
    ) {
        var position: UInt64 = 0
        for piece in device.pieces {
            XCTAssertEqual(piece.offset, position, line: line)
            XCTAssertEqual(piece.offset % UInt64(unit), 0, line: line)
            XCTAssertEqual(
                Int(piece.length), piece.vectors.reduce(0) { $0 + $1.iov_len }, line: line)
            let bounced = piece.vectors.filter { !guest.isDirect($0) }
            XCTAssertLessThanOrEqual(
                bounced.reduce(0) { $0 + $1.iov_len }, Swift.max(cap, unit), line: line)
            for (vector, next) in zip(piece.vectors, piece.vectors.dropFirst()) {
                XCTAssertTrue(
                    guest.isDirect(vector) || guest.isDirect(next), "one run is one vector",
                    line: line)
            }
            position += piece.length
        }
        XCTAssertEqual(position, UInt64(device.medium.count), line: line)
    }

    /// A list that loses data in an emulator of today (docs/guest-memory.md, D5).
    func testRegisters4096RAM300Registers212RAM512() throws {
        for cap in [nil] + Self.caps.map(Optional.init) {
            for forceBounce in [false, true] {
                for unit in [1, 512] {
                    let guest = try Guest()
                    let mapper = try DMAMapper(
                        guest.space, options: DMAOptions(forceBounce: forceBounce, bounceLimit: cap)
                    )
                    let list = ScatterGatherList([
                        (Guest.registersBase, 4096), (0x1000, 300),
                        (Guest.registersBase + 8192, 212),
                        (0x2000, 512),
                    ])
                    var device = MemoryDevice(pattern(5120, seed: 21))
                    let result = device.carryOut(list, .fromDevice, on: mapper, unit: unit)
                    XCTAssertEqual(result, DMAResult(.success, 5120))
                    let medium = device.medium
                    assertBytes(Array(guest.registers.bytes[..<4096]), Array(medium[..<4096]))
                    assertBytes(guest.ram.bytes(0x1000..<0x1000 + 300), Array(medium[4096..<4396]))
                    assertBytes(
                        Array(guest.registers.bytes[8192..<8404]), Array(medium[4396..<4608]))
                    assertBytes(guest.ram.bytes(0x2000..<0x2200), Array(medium[4608...]))
                    XCTAssertEqual(guest.takeDirty(), [[1, 2], [], []])
                    assertPieces(device, of: guest, cap: cap ?? 1 << 20, unit: unit)
                    if !forceBounce {
                        XCTAssertEqual(mapper.statistics.bouncedBytes, 4096 + 212)
                        XCTAssertEqual(mapper.statistics.directBytes, 300 + 512)
                    }
                }
            }
        }
    }

    func testRAMBetweenRegistersStaysDirect() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        let list = ScatterGatherList([
            (0, 1000), (Guest.registersBase, 24), (Guest.registersBase + 100, 1), (5000, 3000),
            (Guest.registersBase + 8000, 7), (20_000, 1),
        ])
        var device = MemoryDevice([UInt8](repeating: 0, count: 4033))
        XCTAssertEqual(device.carryOut(list, .toDevice, on: mapper)?.outcome, .success)
        XCTAssertEqual(device.vectors.map(\.iov_len), [1000, 25, 3000, 7, 1])
        XCTAssertEqual(device.vectors.map(guest.isDirect), [true, false, true, false, true])
        XCTAssertEqual(guest.ram.offset(of: device.vectors[2].iov_base), 5000)
        assertBytes(
            device.medium,
            guest.ram.bytes(0..<1000) + guest.registers.bytes[0..<24]
                + guest.registers.bytes[100..<101]
                + guest.ram.bytes(5000..<8000) + guest.registers.bytes[8000..<8007]
                + guest.ram.bytes(20_000..<20_001))
    }

    func testEachCapGivesTheSameBytesAndPages() throws {
        let elements: [(GuestAddress, UInt64)] = [
            (1, 1), (Guest.registersBase + 1, 511), (9000, 513), (Guest.flashBase + 3, 1023),
            (30_001, 4096), (Guest.registersBase + 5000, 20_000), (Guest.romBase, 777),
            (70_000, 60_000), (Guest.flashBase + 9000, 1), (200_000, 1),
        ]
        let list = ScatterGatherList(elements.map { ($0.0, $0.1) })
        let total = Int(list.total!)
        for unit in [1, 512, 4096] {
            var expected: [UInt8]?
            for cap in Self.caps {
                let guest = try Guest()
                let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: cap))
                var device = MemoryDevice(pattern(total, seed: 2))
                let result = device.carryOut(list, .fromDevice, on: mapper, unit: unit)
                XCTAssertEqual(result, DMAResult(.success, UInt64(total)))
                assertPieces(device, of: guest, cap: cap, unit: unit)
                XCTAssertEqual(
                    guest.takeDirty(),
                    [[0, 2, 7, 8, 48] + Array(17...31), [], []].map { $0.sorted() })
                let content = guest.content
                if let expected {
                    XCTAssertTrue(areSame(content, expected), "cap \(cap), unit \(unit)")
                }
                expected = content

                device.medium = [UInt8](repeating: 0, count: total)
                XCTAssertEqual(
                    device.carryOut(list, .toDevice, on: mapper, unit: unit)?.outcome, .success)
                var read: [UInt8] = []
                for element in elements {
                    read += try guest.space.bytes(at: element.0, count: Int(element.1))
                }
                assertBytes(device.medium, read, "cap \(cap), unit \(unit)")
            }
        }
    }

    func testAUnitLargerThanTheCapIsTaken() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: 512))
        var device = MemoryDevice(pattern(16_384))
        let list = ScatterGatherList([(Guest.registersBase, 16_384)])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper, unit: 4096)?.outcome, .success)
        XCTAssertEqual(device.pieces.map(\.length), [4096, 4096, 4096, 4096])
    }

    func testATransferLargerThanThePoolGoesInPieces() throws {
        let guest = try Guest(bounceLimit: 512)
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice(pattern(40_000))
        let list = ScatterGatherList([(Guest.registersBase, 40_000)])
        XCTAssertEqual(device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success)
        XCTAssertEqual(device.pieces.count, 79)
        assertBytes(Array(guest.registers.bytes[..<40_000]), device.medium)
        XCTAssertEqual(guest.space.bouncePool.available, 512)
    }

    func testForcedToBounceNothingIsDirect() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space, options: DMAOptions(forceBounce: true))
        let list = ScatterGatherList([(0, 512), (8192, 4096), (Guest.romBase, 512)])
        for direction in [DMADirection.toDevice, .fromDevice] {
            var device = MemoryDevice(pattern(5120))
            XCTAssertEqual(device.carryOut(list, direction, on: mapper)?.outcome, .success)
            XCTAssertEqual(device.vectors.count, 1)
            XCTAssertFalse(device.vectors.contains(where: guest.isDirect))
        }
        XCTAssertEqual(mapper.statistics.directBytes, 0)
        XCTAssertEqual(mapper.statistics.bouncedBytes, 10_240)
        XCTAssertEqual(guest.takeDirty(), [[0, 2], [], []])
        // A switch holds for the transfers begun afterwards.
        let (transfer, step) = mapper.begin(list, .toDevice)
        try mapper.setOptions(DMAOptions())
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        XCTAssertFalse(piece.vectors.contains(where: guest.isDirect))
        _ = transfer.pieceEnded(transferred: 5120, isSuccess: true)
        var device = MemoryDevice(pattern(5120))
        XCTAssertEqual(device.carryOut(list, .toDevice, on: mapper)?.outcome, .success)
        XCTAssertTrue(device.vectors.allSatisfy(guest.isDirect))
    }

    /// The registers see the bytes in order, once each, whatever the pieces.
    func testRegistersAreAccessedOnceAndInOrder() throws {
        for cap in [512, 4096, 1 << 20] {
            let guest = try Guest()
            let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: cap))
            let list = ScatterGatherList([
                (Guest.registersBase + 100, 5000), (0, 120), (Guest.registersBase, 300),
                (Guest.registersBase + 100, 212),
            ])
            for direction in [DMADirection.toDevice, .fromDevice] {
                let before = guest.registers.accesses.count
                var device = MemoryDevice(pattern(5632))
                _ = device.carryOut(list, direction, on: mapper, unit: 512)
                let accesses = guest.registers.accesses[before...]
                XCTAssertTrue(
                    accesses.allSatisfy { ($0.written == nil) == (direction == .toDevice) })
                let touched = accesses.flatMap { $0.offset..<$0.offset + UInt64($0.width) }
                XCTAssertEqual(
                    touched, Array(100..<5100) + Array(0..<300) + Array(100..<312), "cap \(cap)")
            }
        }
    }

    /// A list of single elements, each of the lengths that have been trouble.
    func testElementsOfAwkwardLengths() throws {
        for length in [1, 511, 513, 1023] as [UInt64] {
            for base in [0x3001, Guest.registersBase + 1, Guest.flashBase + 1] as [GuestAddress] {
                for cap in [512, 1 << 20] {
                    let guest = try Guest()
                    let mapper = try DMAMapper(guest.space, options: DMAOptions(bounceLimit: cap))
                    let elements = (0..<8).map { (base + $0 * 2048, length) }
                    let list = ScatterGatherList(elements.map { ($0.0, $0.1) })
                    var device = MemoryDevice(pattern(Int(length) * 8, seed: 6))
                    XCTAssertEqual(
                        device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success)
                    let target =
                        base == 0x3001
                        ? guest.ram.bytes(0..<64 << 10)
                        : base > Guest.registersBase
                            ? guest.registers.bytes : guest.flashDevice.bytes
                    for (index, element) in elements.enumerated() {
                        let start = Int(element.0.rawValue & 0xffff)
                        assertBytes(
                            Array(target[start..<start + Int(length)]),
                            Array(device.medium[index * Int(length)..<(index + 1) * Int(length)]),
                            "\(length) bytes at \(element.0)")
                    }
                }
            }
        }
    }
}
