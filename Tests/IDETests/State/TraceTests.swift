import BlockATA
import IDE
import XCTest
@testable import TestSupport

/// The trace can be switched on at any time, and says what happened.
final class TraceTests: IDETestCase {
    func testTrace() throws {
        let machine = try machine()
        var lines: [String] = []
        machine.command28(Opcode.checkPowerMode)
        _ = machine.status
        machine.controller.trace = { lines.append($0.description) }
        let command = PCICommandBits.io | PCICommandBits.busMaster
        machine.controller.writeConfiguration(
            PCIOffset.command, width: 2, value: UInt32(command))
        machine.transfer(Opcode.readDMA, lba: 5, count: 1, [(TestMachine.data, 512)])
        _ = machine.status
        machine.control(DeviceControlBits.softwareReset)
        machine.controller.trace = nil
        machine.control(0)
        machine.command28(Opcode.checkPowerMode)
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
        let machine = try machine()
        let disk = try XCTUnwrap(machine.disks[.primaryMaster])
        XCTAssertThrowsError(try machine.controller.attach(disk, to: .primarySlave)) {
            XCTAssertEqual($0 as? IDEError, .driveInUse)
        }
        XCTAssertThrowsError(try machine.attach(Self.plainPath(1))) {
            XCTAssertEqual($0 as? IDEError, .slotTaken(.primaryMaster))
        }
        XCTAssertTrue(machine.controller.disk(in: .primaryMaster) === disk)
        XCTAssertEqual(machine.controller.descriptors, [disk.queue.descriptor])
        XCTAssertNil(machine.controller.cdrom(in: .primaryMaster))
        let cdrom = try machine.attach(nil, to: .secondarySlave, CDROMOptions())
        XCTAssertTrue(machine.controller.cdrom(in: .secondarySlave) === cdrom)
        XCTAssertNil(machine.controller.disk(in: .secondarySlave))
    }
}
