import BlockPCI
import GuestMemory
import XCTest

/// Base address registers: how software finds their sizes, and what is decoded.
final class BaseAddressTests: PCITestCase {
    /// PCI Local Bus 3.0, 6.2.5.1: all ones are written and read back.
    func testSizing() {
        let expected: [UInt32] = [
            0xFFFF_FFF1, 0xFFFF_F000, 0, 0xFFFF_C00C, 0xFFFF_FFFF, 0xFFFF_FF01,
        ]
        for (bar, value) in expected.enumerated() {
            place(bar, at: .max)
            XCTAssertEqual(
                function.readConfiguration(PCIRegister.firstBAR + 4 * bar, width: 4), value)
        }
        XCTAssertEqual(
            (-1...6).map { function.bar($0)?.size ?? 0 }, [0, 16, 4096, 0, 16384, 0, 256, 0])
    }

    func testPorts() {
        place(0, at: 0xC000)
        place(5, at: 0xD100)
        XCTAssertNil(function.port(ofBAR: 0), "not switched on")
        XCTAssertNil(function.offset(ofPort: 0xC000, inBAR: 0))
        enable([.memory])
        XCTAssertNil(function.offset(ofPort: 0xC000, inBAR: 0), "that is memory")
        enable([.io])
        XCTAssertEqual(function.port(ofBAR: 0), 0xC000)
        XCTAssertEqual(function.port(ofBAR: 5), 0xD100)
        XCTAssertEqual(function.offset(ofPort: 0xC000, inBAR: 0), 0)
        XCTAssertEqual(function.offset(ofPort: 0xC00F, inBAR: 0), 15)
        XCTAssertNil(function.offset(ofPort: 0xC010, inBAR: 0))
        XCTAssertNil(function.offset(ofPort: 0xBFFF, inBAR: 0))
        XCTAssertNil(function.offset(ofPort: 0xC000, inBAR: 5))
        XCTAssertEqual(function.offset(ofPort: 0xD1FF, inBAR: 5), 255)
        XCTAssertNil(function.offset(ofAddress: 0xC000, inBAR: 0), "no memory")
        for bar in [-1, 1, 2, 3, 4, 6, .max, .min] {
            XCTAssertNil(function.offset(ofPort: 0xC000, inBAR: bar), "\(bar)")
            XCTAssertNil(function.offset(ofAddress: 0xC000, inBAR: bar), "\(bar)")
        }
        place(0, at: 0xFFF0)
        XCTAssertEqual(function.offset(ofPort: 0xFFFF, inBAR: 0), 15)
        XCTAssertNil(function.offset(ofPort: 0, inBAR: 0), "it does not wrap")
        for address: UInt32 in [0, 0x1_0000, 0xFFFF_FFF0] {
            place(0, at: address)
            XCTAssertNil(function.port(ofBAR: 0), "\(address) is no place")
            XCTAssertNil(function.offset(ofPort: 0, inBAR: 0))
            XCTAssertNil(function.offset(ofPort: 0xFFFF, inBAR: 0))
        }
    }

    func testMemory() {
        place(1, at: 0xFEBF_0000)
        place(3, at: 0x0000_4000)
        place(4, at: 0x80)
        XCTAssertNil(function.address(ofBAR: 1), "not switched on")
        enable([.io])
        XCTAssertNil(function.address(ofBAR: 1), "that is ports")
        enable([.memory])
        XCTAssertEqual(function.address(ofBAR: 1), 0xFEBF_0000)
        XCTAssertEqual(function.address(ofBAR: 3), 0x80_0000_4000)
        XCTAssertNil(function.address(ofBAR: 4), "the upper half of another one")
        XCTAssertEqual(function.offset(ofAddress: 0xFEBF_0FFF, inBAR: 1), 0xFFF)
        XCTAssertNil(function.offset(ofAddress: 0xFEBF_1000, inBAR: 1))
        XCTAssertNil(function.offset(ofAddress: 0x1_FEBF_0000, inBAR: 1))
        XCTAssertEqual(function.offset(ofAddress: 0x80_0000_7FFF, inBAR: 3), 0x3FFF)
        XCTAssertNil(function.offset(ofAddress: 0x80_0000_8000, inBAR: 3))
        XCTAssertNil(function.offset(ofAddress: 0x4000, inBAR: 3))
        // At the very end of all addresses.
        place(3, at: .max)
        place(4, at: .max)
        XCTAssertEqual(function.address(ofBAR: 3), 0xFFFF_FFFF_FFFF_C000)
        XCTAssertEqual(function.offset(ofAddress: .max, inBAR: 3), 0x3FFF)
        XCTAssertNil(function.offset(ofAddress: 0, inBAR: 3), "it does not wrap")
        function.reset()
        XCTAssertNil(function.address(ofBAR: 3))
        XCTAssertFalse(function.isMemoryEnabled)
    }

    func testAccesses() {
        XCTAssertEqual(function.read(bar: 0, offset: 0, width: 4), 0xFFFF_FFFF, "switched off")
        function.write(bar: 0, offset: 0, width: 4, value: 1)
        XCTAssertEqual(device.takeEvents(), [])
        enable([.io, .memory])
        _ = device.takeEvents()
        // Wherever they are: whoever calls has decoded the address.
        function.write(bar: 0, offset: 12, width: 4, value: 0x1234_5678)
        XCTAssertEqual(function.read(bar: 0, offset: 13, width: 2), 0x3456, "not aligned")
        XCTAssertEqual(function.read(bar: 3, offset: 0x3FFE, width: 2), 0)
        XCTAssertEqual(
            device.takeEvents(),
            [
                .write(bar: 0, offset: 12, width: 4, value: 0x1234_5678),
                .read(bar: 0, offset: 13, width: 2), .read(bar: 3, offset: 0x3FFE, width: 2),
            ])
        for (bar, offset, width, value) in [
            (0, 13, 4, 0xFFFF_FFFF), (0, 16, 1, 0xFF), (0, -1, 2, 0xFFFF),
            (0, .max, 4, 0xFFFF_FFFF),
            (0, .min, 1, 0xFF), (2, 0, 1, 0xFF), (4, 0, 1, 0xFF), (6, 0, 1, 0xFF), (-1, 0, 1, 0xFF),
            (0, 0, 3, 0xFF_FFFF), (0, 0, 0, 0), (0, 0, 8, 0xFFFF_FFFF), (0, 0, -1, 0),
        ] as [(Int, Int, Int, UInt32)] {
            XCTAssertEqual(
                function.read(bar: bar, offset: offset, width: width), value,
                "\(bar) \(offset) \(width)")
            function.write(bar: bar, offset: offset, width: width, value: 0)
        }
        XCTAssertEqual(device.takeEvents(), [])
        enable([.io])
        XCTAssertEqual(function.read(bar: 1, offset: 0, width: 1), 0xFF)
        XCTAssertEqual(function.read(bar: 0, offset: 12, width: 1), 0x78)
        enable([.memory])
        XCTAssertEqual(function.read(bar: 1, offset: 0, width: 1), 0)
        XCTAssertEqual(function.read(bar: 0, offset: 12, width: 1), 0xFF)
    }
}
