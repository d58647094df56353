import BlockPCI
import GuestMemory
import XCTest

@testable import TestSupport

/// Each byte of the configuration space.
final class RegisterTests: PCITestCase {
    private func byte(_ offset: Int) -> UInt8 {
        UInt8(function.readConfiguration(offset, width: 1))
    }

    private func write(_ offset: Int, _ value: UInt8) {
        function.writeConfiguration(offset, width: 1, value: UInt32(value))
    }

    func testEveryByte() {
        let table = Dictionary(uniqueKeysWithValues: Self.bytes.map { ($0.offset, $0) })
        for offset in 0..<256 {
            let expected = table[offset] ?? (offset, 0, 0, 0)
            XCTAssertEqual(byte(offset), expected.reset, "\(offset) at first")
            write(offset, 0xFF)
            XCTAssertEqual(byte(offset), expected.ones, "\(offset) after ones")
            XCTAssertEqual(function.register(offset), expected.ones, "\(offset) as kept")
            write(offset, 0)
            XCTAssertEqual(byte(offset), expected.zeroes, "\(offset) after zeroes")
            write(offset, 0xFF)
            function.reset()
            XCTAssertEqual(byte(offset), expected.reset, "\(offset) after a reset")
        }
    }

    func testNoWriteReachesAnotherByte() {
        for offset in 0..<256 {
            let before = function.savedRegisters
            write(offset, 0xFF)
            write(offset, 0)
            let after = function.savedRegisters
            for other in 0..<256 where other != offset {
                XCTAssertEqual(after[other], before[other], "\(offset) changes \(other)")
            }
        }
    }

    func testWidthsAndOffsets() {
        XCTAssertEqual(function.readConfiguration(0, width: 4), 0x5678_1234)
        XCTAssertEqual(function.readConfiguration(1, width: 2), 0x7812)
        XCTAssertEqual(function.readConfiguration(1, width: 4), 0x0056_7812, "across a dword")
        XCTAssertEqual(function.readConfiguration(0, width: 3), 0x78_1234)
        XCTAssertEqual(function.readConfiguration(0, width: 0), 0)
        XCTAssertEqual(function.readConfiguration(0, width: -1), 0)
        XCTAssertEqual(function.readConfiguration(0, width: 8), 0x5678_1234, "4 at most")
        XCTAssertEqual(function.readConfiguration(254, width: 4), 0xFFFF_0000, "half outside")
        for offset in [256, 4095, -4, .max - 1, .min] {
            XCTAssertEqual(function.readConfiguration(offset, width: 2), 0xFFFF, "\(offset)")
        }
        function.writeConfiguration(PCIRegister.baseClass, width: 4, value: 0xFFFF_FFFF)
        XCTAssertEqual(function.readConfiguration(PCIRegister.baseClass + 1, width: 4), 0xF800)
        function.writeConfiguration(Self.lastRegisters + 2, width: 4, value: 0x1234_5678)
        XCTAssertEqual(function.readConfiguration(Self.lastRegisters, width: 4), 0x5678_0000)
        function.writeConfiguration(-2, width: 4, value: 0xFFFF_FFFF)
        function.writeConfiguration(.max, width: 4, value: 0xFFFF_FFFF)
        XCTAssertEqual(function.configurationSize, 256)
    }

    func testStatusBitsAreClearedByWritingOne() {
        function.note([.receivedMasterAbort, .receivedTargetAbort, .signaledSystemError])
        XCTAssertEqual(
            function.readConfiguration(PCIRegister.status, width: 2), 0x3210, "not SERR#")
        function.writeConfiguration(PCIRegister.status, width: 2, value: 0x2000)
        XCTAssertEqual(function.readConfiguration(PCIRegister.status, width: 2), 0x1210)
        function.writeConfiguration(PCIRegister.status, width: 2, value: 0)
        XCTAssertEqual(function.readConfiguration(PCIRegister.status, width: 2), 0x1210)
        function.reset()
        XCTAssertEqual(function.readConfiguration(PCIRegister.status, width: 2), 0x0210)
    }

    /// The device is told of a write when the masks have been applied, and shows what it likes.
    func testTheDevicesPart() {
        device.onConfiguration = { [device] in
            XCTAssertEqual(device.function.register(Self.ownRegisters + 1), 0x03)
            XCTAssertTrue(device.function.gate.isOpen == false)
        }
        function.writeConfiguration(Self.ownRegisters, width: 2, value: 0xF3AA)
        XCTAssertEqual(
            device.takeEvents(), [.configured(offset: Self.ownRegisters, width: 2, value: 0xF3AA)])
        device.overlay = [Self.ownRegisters + 2: 0x80, 0xC0: 0x0F]
        XCTAssertEqual(function.readConfiguration(Self.ownRegisters, width: 4), 0x00FF_03AA)
        XCTAssertEqual(function.readConfiguration(0xC0, width: 1), 0x0F)
        XCTAssertEqual(function.register(0xC0), 0, "as kept")
        function.setRegister(0xC0, to: 0x77)
        XCTAssertEqual(function.readConfiguration(0xC0, width: 1), 0x7F)
        function.setRegister(256, to: 1)
        function.setRegister(-1, to: 1)
        device.onConfiguration = { [device] in XCTAssertTrue(device.function.gate.isOpen) }
        enable(.busMaster)
    }

    /// The list leads from the pointer over the entries to 0 (PCI Local Bus 3.0, 6.7).
    func testCapabilities() throws {
        let capabilities = UInt32(PCIStatusBits.capabilities)
        XCTAssertEqual(
            function.readConfiguration(PCIRegister.status, width: 1) & capabilities, capabilities)
        var found: [UInt32] = []
        var place = Int(function.readConfiguration(PCIRegister.capabilities, width: 1))
        while place != 0 && found.count < 10 {
            found.append(function.readConfiguration(place, width: 1))
            place = Int(function.readConfiguration(place + 1, width: 1))
        }
        XCTAssertEqual(
            found,
            [CapabilityID.vendorSpecific, CapabilityID.powerManagement].map(UInt32.init))
        var bare = Self.layout
        bare.capabilities = []
        let function = FakeDevice(bare, on: PCIBus(space)).function
        XCTAssertEqual(function.readConfiguration(PCIRegister.status, width: 1) & capabilities, 0)
        XCTAssertEqual(function.readConfiguration(PCIRegister.capabilities, width: 1), 0)
    }

    func testAFunctionWithoutADevice() {
        var layout = PCIFunctionLayout(
            PCIIdentity(vendor: 0x8086, device: 0x7000, baseClass: 0x06, subclass: 0x01))
        layout.isMultifunction = true
        let bridge = PCIFunction(layout, on: PCIBus(space))
        XCTAssertEqual(bridge.readConfiguration(0, width: 4), 0x7000_8086)
        XCTAssertEqual(bridge.readConfiguration(PCIRegister.headerType, width: 1), 0x80)
        for offset in 0..<256 {
            let before = bridge.readConfiguration(offset, width: 1)
            bridge.writeConfiguration(offset, width: 1, value: ~before)
            XCTAssertEqual(bridge.readConfiguration(offset, width: 1), before, "\(offset)")
        }
        XCTAssertEqual(bridge.read(bar: 0, offset: 0, width: 2), 0xFFFF)
        bridge.write(bar: 0, offset: 0, width: 2, value: 0)
        bridge.setInterrupt(isRaised: true)
        XCTAssertFalse(bridge.isInterruptRaised, "it has no pin")
        bridge.reset()
        bridge.poll()
        XCTAssertFalse(bridge.isBusy)
        XCTAssertEqual(bridge.descriptors, [])
    }

    func testTheDeviceIsNotKeptAlive() {
        var device: FakeDevice? = FakeDevice(Self.layout, on: PCIBus(space))
        weak let gone = device
        guard let function = device?.function else { return XCTFail("no function") }
        function.writeConfiguration(PCIRegister.command, width: 1, value: 7)
        XCTAssertEqual(function.read(bar: 0, offset: 0, width: 1), 0)
        device = nil
        XCTAssertNil(gone)
        XCTAssertEqual(function.read(bar: 0, offset: 0, width: 1), 0xFF)
        XCTAssertEqual(function.readConfiguration(0, width: 2), 0x1234)
    }
}
