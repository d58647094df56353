import BlockATA
import IDE
import XCTest

/// The trace can be switched on at any time, and says what happened.
final class TraceTests: IDETestCase {
    func testTrace() throws {
        let m = try machine()
        var lines: [String] = []
        m.command28(0xE5)
        _ = m.status
        m.controller.trace = { lines.append($0.description) }
        m.controller.writeConfiguration(0x04, width: 2, value: 5)
        m.transfer(0xC8, lba: 5, count: 1, [(Machine.data, 512)])
        _ = m.status
        m.control(4)
        m.controller.trace = nil
        m.control(0)
        m.command28(0xE5)
        for expected in [
            "write configuration +4 width 2 = 5",
            "write bus master +4 width 4 = 1000",
            "write command block 0+7 width 1 = c8",
            "primary-master: command c8 features 0 count ff01 address 5",
            "channel 0: table of 1 entries, 512 bytes",
            "irq14 raised", "primary-master: status 50 error 0",
            "read  command block 0+7 width 1 = 50", "irq14 lowered",
            "write control block 0 width 1 = 4", "channel 0: reset",
        ] {
            XCTAssertTrue(lines.contains { $0.hasSuffix(expected) }, expected)
        }
        XCTAssertFalse(lines.contains { $0.contains("command e5") })
    }

    func testErrorsOfAttaching() throws {
        let m = try machine()
        let disk = try XCTUnwrap(m.disks[.primaryMaster])
        XCTAssertThrowsError(try m.controller.attach(disk, to: .primarySlave)) {
            XCTAssertEqual($0 as? IDEError, .driveInUse)
        }
        XCTAssertThrowsError(try m.attach(Self.plainPath(1))) {
            XCTAssertEqual($0 as? IDEError, .slotTaken(.primaryMaster))
        }
        XCTAssertTrue(m.controller.disk(in: .primaryMaster) === disk)
        XCTAssertEqual(m.controller.descriptors, [disk.queue.descriptor])
        XCTAssertNil(m.controller.cdrom(in: .primaryMaster))
        let cdrom = try m.attach(nil, to: .secondarySlave, CDROMOptions())
        XCTAssertTrue(m.controller.cdrom(in: .secondarySlave) === cdrom)
        XCTAssertNil(m.controller.disk(in: .secondarySlave))
    }
}
