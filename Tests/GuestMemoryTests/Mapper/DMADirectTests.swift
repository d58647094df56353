import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// What is memory reaches the device as it is (docs/guest-memory.md, D2), neighbours as one.
final class DMADirectTests: XCTestCase {
    /// Where the vectors of a transfer are in the guest's RAM, and how long.
    private func layout(
        _ guest: Guest, _ elements: [(GuestAddress, UInt64)],
        _ direction: DMADirection = .fromDevice
    ) throws -> [[Int]] {
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice(pattern(Int(elements.reduce(0) { $0 + $1.1 })))
        let result = device.carryOut(
            ScatterGatherList(elements.map { ($0.0, $0.1) }), direction, on: mapper)
        XCTAssertEqual(result?.outcome, .success)
        XCTAssertEqual(result?.transferred, UInt64(device.medium.count))
        XCTAssertEqual(device.pieces.count, 1)
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
        XCTAssertEqual(mapper.statistics.directBytes, UInt64(device.medium.count))
        return device.vectors.map { [guest.ram.offset(of: $0.iov_base) ?? -1, $0.iov_len] }
    }

    func testAListOfRAMIsOnePieceOfGuestMemory() throws {
        let guest = try Guest()
        let pages = [7, 3, 5, 200, 4] as [UInt64]
        XCTAssertEqual(
            try layout(guest, pages.map { (GuestAddress($0) * 4096, 4096) }),
            pages.map { [Int($0) * 4096, 4096] })
        let medium = pattern(5 * 4096)
        for (index, page) in pages.enumerated() {
            assertBytes(
                guest.ram.bytes(Int(page) * 4096..<Int(page + 1) * 4096),
                Array(medium[index * 4096..<(index + 1) * 4096]))
        }
        XCTAssertEqual(guest.takeDirty(), [[3, 4, 5, 7, 200], [], []])
    }

    func testNothingIsMarkedForWhatIsOnlyRead() throws {
        let guest = try Guest()
        let before = guest.content
        var device = MemoryDevice([UInt8](repeating: 0, count: 8192))
        let mapper = try DMAMapper(guest.space)
        let list = ScatterGatherList([(4097, 4096), (100, 4096)])
        XCTAssertEqual(device.carryOut(list, .toDevice, on: mapper)?.outcome, .success)
        assertBytes(device.medium, guest.ram.bytes(4097..<8193) + guest.ram.bytes(100..<4196))
        XCTAssertEqual(guest.takeDirty(), [[], [], []])
        XCTAssertTrue(areSame(guest.content, before))
    }

    func testElementsOfAnyLengthAndAddressAreDirect() throws {
        let guest = try Guest()
        XCTAssertEqual(
            try layout(guest, [(1, 1), (4095, 2), (9000, 511), (30_001, 513), (70_000, 1023)]),
            [[1, 1], [4095, 2], [9000, 511], [30_001, 513], [70_000, 1023]])
        XCTAssertEqual(guest.takeDirty()[0], [0, 1, 2, 7, 17])
    }

    // MARK: Neighbours

    func testNeighboursInTheHostAreOneVector() throws {
        let guest = try Guest()
        XCTAssertEqual(try layout(guest, [(0, 512), (512, 300), (812, 4096)]), [[0, 4908]])
        XCTAssertEqual(
            try layout(guest, [(512, 512), (0, 512), (512, 1), (513, 1)], .toDevice),
            [[512, 512], [0, 514]])
        XCTAssertEqual(try layout(guest, [(512, 512), (0, 512)]), [[512, 512], [0, 512]])
    }

    func testNeighboursByWayOfAnAliasAreOneVector() throws {
        let guest = try Guest()
        try guest.space.map(.ram(guest.ram, offset: 8192, size: 4096), at: 1 << 40)
        try guest.space.map(.ram(guest.ram, offset: 12_288, size: 4096), at: 1 << 40 + 4096)
        XCTAssertEqual(try layout(guest, [(1 << 40 + 4000, 200)]), [[8192 + 4000, 200]])
        // Not for the guest: if the vector bounced, it would be copied by the address of its beginning.
        XCTAssertEqual(
            try layout(guest, [(8000, 192), (1 << 40, 8)]), [[8000, 192], [8192, 8]])
    }

    func testNeighboursOfTheGuestMayBeFarApartInTheHost() throws {
        let guest = try Guest()
        try guest.space.map(.ram(guest.ram, offset: 8192, size: 4096), at: 1 << 40)
        try guest.space.map(.ram(guest.ram, offset: 0, size: 4096), at: 1 << 40 + 4096)
        XCTAssertEqual(
            try layout(guest, [(1 << 40 + 4000, 200)]), [[8192 + 4000, 96], [0, 104]])
        XCTAssertEqual(guest.takeDirty()[0], [0, 2])
    }

    /// Each memory has a log of its own, so its pieces stay apart even when the host has put one
    /// behind the other.
    func testEachMemoryIsMarkedInItsOwnLog() throws {
        let space = try AddressSpace()
        let memory = try (0..<8).map { _ in try GuestRAM(size: 4096) }
        for (index, ram) in memory.enumerated() {
            ram.dirtyLog.start(.migration)
            try space.map(.ram(ram), at: GuestAddress(index) * 4096)
        }
        var device = MemoryDevice(pattern(7 * 4096))
        let mapper = try DMAMapper(space)
        _ = device.carryOut(ScatterGatherList([(4096, 7 * 4096)]), .fromDevice, on: mapper)
        XCTAssertEqual(
            memory.map { $0.dirtyLog.takePages() }, [[]] + .init(repeating: [0], count: 7))
        try assertBytes(space.bytes(at: 4096, count: 7 * 4096), device.medium)
    }

    // MARK: ROM

    func testROMIsReadDirectly() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice([UInt8](repeating: 0, count: 1512))
        let list = ScatterGatherList([(Guest.romBase + 5, 1000), (77, 512)])
        XCTAssertEqual(device.carryOut(list, .toDevice, on: mapper)?.outcome, .success)
        assertBytes(device.medium, guest.rom.bytes(5..<1005) + guest.ram.bytes(77..<589))
        XCTAssertEqual(device.vectors.first?.iov_base, guest.rom.base + 5)
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
    }

    func testWritesToROMAreLostAndTheOthersAreNot() throws {
        let guest = try Guest()
        let rom = guest.rom.bytes(0..<guest.rom.size)
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice(pattern(1536, seed: 50))
        let list = ScatterGatherList([(0, 256), (Guest.romBase + 5, 1000), (8192, 280)])
        let result = device.carryOut(list, .fromDevice, on: mapper)
        XCTAssertEqual(result, DMAResult(.success, 1536))
        assertBytes(guest.rom.bytes(0..<guest.rom.size), rom)
        assertBytes(guest.ram.bytes(0..<256), Array(device.medium[..<256]))
        assertBytes(guest.ram.bytes(8192..<8472), Array(device.medium[1256...]))
        XCTAssertEqual(guest.takeDirty(), [[0, 2], [], []])
        XCTAssertEqual(mapper.statistics.bouncedBytes, 1000)
        XCTAssertFalse(device.vectors.contains { guest.rom.offset(of: $0.iov_base) != nil })
    }

    func testAROMDeviceIsReadAsMemoryAndWrittenAsADevice() throws {
        let guest = try Guest()
        let flash = guest.flash.bytes(0..<guest.flash.size)
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice([UInt8](repeating: 0, count: 1024))
        let list = ScatterGatherList([(Guest.flashBase + 6, 1000), (40, 24)])
        XCTAssertEqual(device.carryOut(list, .toDevice, on: mapper)?.outcome, .success)
        assertBytes(device.medium, Array(flash[6..<1006]) + guest.ram.bytes(40..<64))
        XCTAssertEqual(guest.flashDevice.accesses, [])
        device.medium = pattern(1024, seed: 8)
        XCTAssertEqual(device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success)
        assertBytes(guest.flash.bytes(0..<guest.flash.size), flash)
        assertBytes(Array(guest.flashDevice.bytes[6..<1006]), Array(device.medium[..<1000]))
        XCTAssertEqual(guest.takeDirty(), [[0], [], []])
        XCTAssertEqual(mapper.statistics.bouncedBytes, 1000)
    }

    // MARK: The interface

    func testTheListIsReadOnce() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        var list = ScatterGatherList([(0, 512)])
        let (transfer, step) = mapper.begin(list, .toDevice, userData: 99)
        list.removeAll()
        for page in 0..<200 { list.append(address: GuestAddress(page) * 4096, length: 1) }
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        XCTAssertEqual(piece.vectors.map(\.iov_len), [512])
        XCTAssertEqual(piece.vectors.map(\.iov_base), [guest.ram.base])
        XCTAssertEqual(transfer.userData, 99)
        XCTAssertEqual(transfer.direction, .toDevice)
        guard case .done(let result) = transfer.pieceEnded(transferred: 512, isSuccess: true)
        else { return XCTFail("not done") }
        XCTAssertEqual(result, DMAResult(.success, 512))
    }

    func testListsAddTheirLengthsUp() {
        var list = ScatterGatherList(capacity: 1)
        XCTAssertEqual(list.total, 0)
        for number in 1...10 as ClosedRange<UInt64> {
            list.append(address: GuestAddress(number << 32), length: number)
        }
        XCTAssertEqual(list.count, 10)
        XCTAssertEqual(list.total, 55)
        XCTAssertEqual(list[9], .init(address: 10 << 32, length: 10))
        list.append(address: 0, length: .max - 55)
        XCTAssertEqual(list.total, .max)
        list.append(address: 0, length: 1)
        XCTAssertNil(list.total)
        list.removeAll()
        XCTAssertEqual(list.count, 0)
        XCTAssertEqual(list.total, 0)
    }
}
