import GuestMemory
import XCTest

@testable import TestSupport

/// DMA to and from flash: memory to whoever reads it, a device to whoever writes it.
final class ROMDeviceTests: XCTestCase {
    func testWhatIsReadIsDirect() throws {
        let guest = try Guest()
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice([UInt8](repeating: 0, count: 3 * 4096))
        let elements: [(GuestAddress, UInt64)] = [
            (Guest.flashBase + 4096, 4096), (100, 4095), (Guest.flashBase + 3, 4097),
        ]
        let result = device.carryOut(ScatterGatherList(elements), .toDevice, on: mapper)
        XCTAssertEqual(result, DMAResult(.success, 3 * 4096))
        XCTAssertTrue(device.vectors.allSatisfy(guest.isDirect))
        XCTAssertEqual(device.vectors.count, 3)
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
        XCTAssertEqual(mapper.statistics.directBytes, 3 * 4096)
        assertBytes(
            device.medium,
            guest.flash.bytes(4096..<8192) + guest.ram.bytes(100..<4195)
                + guest.flash.bytes(3..<4100))
        XCTAssertEqual(guest.flashDevice.accesses, [])
        XCTAssertEqual(guest.takeDirty(), [[], [], []])
    }

    func testWhatIsWrittenGoesToTheDevice() throws {
        let guest = try Guest()
        let before = guest.flash.bytes(0..<guest.flash.size)
        let mapper = try DMAMapper(guest.space)
        var device = MemoryDevice(pattern(512))
        let list = ScatterGatherList([(Guest.flashBase + 64, 512)])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper), DMAResult(.success, 512))
        XCTAssertEqual(mapper.statistics.directBytes, 0)
        assertBytes(Array(guest.flashDevice.bytes[64..<576]), device.medium)
        assertBytes(guest.flash.bytes(0..<guest.flash.size), before)
        XCTAssertEqual(guest.takeDirty(), [[], [], []])
    }

    func testOnlyWritesWouldCallBackIntoItsOwnDevice() throws {
        for forceBounce in [false, true] {
            let guest = try Guest()
            let reentrancy = ReentrancyGuard()
            let base: GuestAddress = 0x70_0000
            try guest.space.map(
                .romDevice(guest.flash, device: guest.flashDevice, reentrancy: reentrancy),
                at: base)
            let mapper = try DMAMapper(
                guest.space, reentrancy: reentrancy, options: DMAOptions(forceBounce: forceBounce))
            var device = MemoryDevice(pattern(512))
            let list = ScatterGatherList([(base, 512)])
            guard case .fault(let error) = device.carryOut(list, .fromDevice, on: mapper)?.outcome
            else { return XCTFail("it is written") }
            XCTAssertEqual(error.code, .reentrant)
            XCTAssertEqual(
                device.carryOut(list, .toDevice, on: mapper), DMAResult(.success, 512))
            assertBytes(device.medium, guest.flash.bytes(0..<512))
            XCTAssertEqual(guest.flashDevice.accesses, [])
        }
    }

    /// A flash that answers reads with its status is registers for as long.
    func testAnotherModeIsAnotherRegion() throws {
        let flash = try GuestRAM(size: 4096)
        flash.put(pattern(4096))
        let status = ByteStore(size: 4096)
        status.bytes = [UInt8](repeating: 0x80, count: 4096)
        let space = try AddressSpace()
        let mapper = try DMAMapper(space)
        let array = MemoryRegion.romDevice(flash, device: status)
        let registers = MemoryRegion.mmio(status, size: 4096)
        var mapped = try space.map(array, at: 0)
        func change(to region: MemoryRegion) throws {
            mapped = try space.update { (changes) throws(GuestMemoryError) in
                changes.unmap(mapped)
                return try changes.map(region, at: 0)
            }
        }
        let list = ScatterGatherList([(0, 512)])
        var device = MemoryDevice([UInt8](repeating: 0, count: 512))
        let (early, step) = mapper.begin(list, .toDevice)
        try change(to: registers)
        XCTAssertEqual(
            device.carryOut(list, .toDevice, on: mapper), DMAResult(.success, 512))
        XCTAssertEqual(device.medium, [UInt8](repeating: 0x80, count: 512))
        XCTAssertEqual(mapper.statistics.bouncedBytes, 512)
        // What had begun before reads what it began with.
        guard case .submit(let piece) = step else { return XCTFail("\(step)") }
        _ = device.carryOut(piece, of: early)
        assertBytes(device.medium, Array(pattern(4096)[..<512]))
        try change(to: array)
        device.medium = [UInt8](repeating: 0, count: 512)
        XCTAssertEqual(
            device.carryOut(list, .toDevice, on: mapper), DMAResult(.success, 512))
        assertBytes(device.medium, Array(pattern(4096)[..<512]))
        XCTAssertEqual(mapper.statistics.bouncedBytes, 512)
    }
}
