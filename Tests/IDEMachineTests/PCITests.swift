import XCTest

@testable import TestSupport

/// Configuration mechanism 1, and what is on the bus.
final class PCITests: XCTestCase {
    private let address: UInt16 = PCIPort.address
    private let data: UInt16 = PCIPort.data
    /// The bit of the address port without which the data port has nothing.
    private let enable: UInt32 = 1 << 31
    private let nothing = UInt32.max

    func testEnumerationFindsTheChip() throws {
        for (id, bridge, ide) in [("7010", 0x7000, 0x7010), ("7111", 0x7110, 0x7111)] {
            let bench = try Bench(["--pci-id", "8086:\(id)"])
            var found: [UInt32: UInt32] = [:]
            for function in 0..<UInt32(256) {
                try bench.qtest.outl(address, enable | function << 8)
                let identity = try bench.qtest.inl(data)
                if identity != nothing { found[function] = identity }
            }
            // Function 0 of device 1; the IDE function is 1 of it.
            let place: UInt32 = 1 << 3
            XCTAssertEqual(
                found,
                [place: 0x8086 | UInt32(bridge) << 16, place | 1: 0x8086 | UInt32(ide) << 16])
            // Who looks for functions other than 0 first asks whether there are any.
            try bench.qtest.outl(
                address, enable | place << 8 | UInt32(PCIOffset.headerType & ~3))
            let severalFunctions: UInt8 = 1 << 7
            XCTAssertEqual(
                try bench.qtest.inb(data + UInt16(PCIOffset.headerType & 3)) & severalFunctions,
                severalFunctions)
            try bench.qtest.outl(address, IDEDriver.address(PCIOffset.identity) | 1 << 16)
            XCTAssertEqual(try bench.qtest.inl(data), nothing, "there is no second bus")
            try bench.end()
        }
    }

    func testTheFunctionIsAnIDEControllerInCompatibilityMode() throws {
        let bench = try Bench()
        let driver = try IDEDriver(bench.qtest)
        XCTAssertEqual(try driver.configuration(PCIOffset.classCode, as: UInt16.self), 0x0101)
        XCTAssertEqual(
            try driver.configuration(PCIOffset.programmingInterface, as: UInt8.self), 0x80)
        try driver.setConfiguration(PCIOffset.busMasterBAR, UInt32.max)
        XCTAssertEqual(
            try driver.configuration(PCIOffset.busMasterBAR, as: UInt32.self), 0xffff_fff1)
        try bench.end()
    }

    /// The low bits of the address and those of the port name the register together.
    func testUnalignedAddressesMeanTheRegister() throws {
        let bench = try Bench()
        for offset in 0..<UInt32(4) {
            let register = IDEDriver.address(PCIOffset.revision)
            try bench.qtest.outl(address, register)
            let byte = try bench.qtest.inb(data + UInt16(offset))
            try bench.qtest.outl(address, register | offset)
            XCTAssertEqual(try bench.qtest.inb(data), byte, "\(offset)")
            XCTAssertEqual(try bench.qtest.inl(address), register | offset)
        }
        try bench.qtest.outl(address, IDEDriver.address(PCIOffset.identity + 2))
        XCTAssertEqual(try bench.qtest.inw(data), 0x7010)
        XCTAssertEqual(try bench.qtest.inw(data + 2), 0x7010)
        XCTAssertEqual(try bench.qtest.inl(data), nothing, "no cycle crosses a dword")
        // Writes too: the latency timer, 0Dh, and then back.
        try bench.qtest.outl(address, IDEDriver.address(PIIXOffset.timing + 1))
        try bench.qtest.outb(data, 0x80)
        try bench.qtest.outl(address, IDEDriver.address(PIIXOffset.timing))
        XCTAssertEqual(try bench.qtest.inw(data), 0x8000, "IDETIM, bits 15 to 8")
        try bench.end()
    }

    func testTheAddressIsADword() throws {
        let bench = try Bench()
        let identity = IDEDriver.address(PCIOffset.identity)
        try bench.qtest.outl(address, identity)
        try bench.qtest.outb(address, 0x55)
        try bench.qtest.outw(address + 2, 0x5555)
        XCTAssertEqual(try bench.qtest.inl(address), identity)
        XCTAssertEqual(try bench.qtest.inb(address), 0xff)
        XCTAssertEqual(try bench.qtest.inl(data), 0x7010_8086)
        try bench.qtest.outl(address, identity & ~enable)
        XCTAssertEqual(try bench.qtest.inl(data), nothing, "not enabled")
        try bench.qtest.outl(address, identity)
        XCTAssertEqual(try bench.qtest.inb(data + 3), 0x70)
        XCTAssertEqual(try bench.qtest.inl(data + 3), nothing)
        try bench.end()
    }

    func testNothingAnswersBeforeItIsSwitchedOn() throws {
        let bench = try Bench(["--drive", "primary-master=DIR/disk.img"], size: 1 << 20)
        XCTAssertEqual(try bench.qtest.inb(IDEPort.status), 0xff)
        let driver = try IDEDriver(bench.qtest)
        XCTAssertEqual(try bench.qtest.inb(IDEPort.status), DriveStatus.idle)
        try driver.setConfiguration(PCIOffset.command, UInt16(0))
        XCTAssertEqual(try bench.qtest.inb(IDEPort.status), 0xff)
        try bench.end()
    }
}
