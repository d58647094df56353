import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATA commands": SMART.
final class SMARTTests: IDETestCase {
    private func smart(
        _ machine: TestMachine, _ subcommand: UInt8, count: UInt8 = 0, low: UInt8 = 0
    ) {
        machine.command28(
            Opcode.smart, lba: 0xC2_4F_00 | UInt32(low), count: count, features: subcommand)
    }

    private func page(_ machine: TestMachine) -> [UInt8] {
        XCTAssertTrue(machine.irq)
        XCTAssertEqual(machine.status, DriveStatus.wantsData)
        let bytes = machine.readData(count: 512)
        XCTAssertEqual(machine.status, DriveStatus.idle)
        return bytes
    }

    func testKeyAndUnknownSubcommands() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.smart, lba: 0, features: SMARTFeature.returnStatus)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            machine.command28(Opcode.smart, lba: 0xC2_00_00, features: SMARTFeature.returnStatus)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            for subcommand: UInt8 in [0x00, 0xD3, 0xD6, 0xD7, 0xDB, 0xFF] {
                smart(machine, subcommand)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            }
            machine.sample("done")
        }
    }

    func testEnableAndDisable() throws {
        try forEachMachine { machine in
            smart(machine, SMARTFeature.disable)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(
                machine.identify()[IdentifyWord.enabledCommandSets] >> CommandSetBit.smart & 1, 0)
            for subcommand in [
                SMARTFeature.readData, SMARTFeature.readThresholds, SMARTFeature.autosave,
                SMARTFeature.executeOffline, SMARTFeature.readLog, SMARTFeature.disable,
                SMARTFeature.returnStatus,
            ] {
                smart(machine, subcommand, count: 1)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
            }
            smart(machine, SMARTFeature.enable)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(
                machine.identify()[IdentifyWord.enabledCommandSets] >> CommandSetBit.smart & 1, 1)
            machine.sample("done")
        }
    }

    func testPages() throws {
        try forEachMachine { machine in
            smart(machine, SMARTFeature.readData)
            let data = page(machine)
            XCTAssertEqual(data.reduce(0, &+), 0)
            smart(machine, SMARTFeature.readThresholds)
            let thresholds = page(machine)
            XCTAssertEqual(thresholds.reduce(0, &+), 0)
            XCTAssertEqual(thresholds[2], data[2], "the same attributes")
            XCTAssertEqual(thresholds[14], data[14])
            XCTAssertLessThan(thresholds[3], data[5], "all is well")
            smart(machine, SMARTFeature.returnStatus)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(
                [machine.inb(IDEPort.lbaMid), machine.inb(IDEPort.lbaHigh)],
                [SMARTKey.lbaMid, SMARTKey.lbaHigh])
            for value: UInt8 in [0, 0xF1] {
                smart(machine, SMARTFeature.autosave, count: value)
                XCTAssertEqual(machine.status, DriveStatus.idle)
            }
            smart(machine, SMARTFeature.autosave, count: 1)
            XCTAssertEqual(machine.status, DriveStatus.failed)
            smart(machine, SMARTFeature.readLog, count: 1)
            let directory = page(machine)
            XCTAssertEqual([directory[0], directory[2], directory[12]], [1, 1, 1])
            smart(machine, SMARTFeature.readLog, count: 1, low: 2)
            XCTAssertEqual(machine.status, DriveStatus.failed)
            smart(machine, SMARTFeature.readLog, count: 2)
            XCTAssertEqual(machine.status, DriveStatus.failed)
            machine.sample("done", data, thresholds, directory)
        }
    }

    func testErrorsAreCountedAndLogged() throws {
        try forEachMachine { machine in
            machine.faults.add(.init(.error(EIO), operations: [.read], count: 7))
            for sector: UInt32 in 1...7 {
                machine.command28(Opcode.readSectors, lba: sector, count: 1)
                machine.settle()
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.uncorrectable])
            }
            smart(machine, SMARTFeature.readData)
            let data = page(machine)
            XCTAssertEqual(data[7], 7, "raw value of the read errors")
            smart(machine, SMARTFeature.readLog, count: 1, low: 1)
            let log = page(machine)
            XCTAssertEqual(
                [log[1], log[452]], [2, 7], "the newest of seven is in the second place")
            let newest = 2 + 90
            XCTAssertEqual(log[newest + 48 + 3], 7, "LBA Low of the command")
            XCTAssertEqual(log[newest + 48 + 7], 0x20)
            XCTAssertEqual([log[newest + 61], log[newest + 67]], [0x40, 0x41])
            XCTAssertEqual(log.reduce(0, &+), 0)
            smart(machine, SMARTFeature.executeOffline, low: 1)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            smart(machine, SMARTFeature.readLog, count: 1, low: 6)
            let tests = page(machine)
            XCTAssertEqual([tests[2], tests[3], tests[508]], [1, 0x70, 1], "a read failed")
            machine.sample("done", data, log, tests)
        }
    }

    func testSelfTests() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            for subcommand: UInt8 in [0, 0x7F, 1, 2, 0x81, 0x82] {
                smart(machine, SMARTFeature.executeOffline, low: subcommand)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
            }
            smart(machine, SMARTFeature.executeOffline, low: 3)
            XCTAssertEqual(machine.status, DriveStatus.failed)
            smart(machine, SMARTFeature.readLog, count: 1, low: 6)
            let log = page(machine)
            XCTAssertEqual((0..<4).map { log[2 + 24 * $0] }, [1, 2, 0x81, 0x82])
            XCTAssertEqual((0..<4).map { log[3 + 24 * $0] }, [0, 0, 0, 0])
            XCTAssertEqual(log[508], 4)
            for _ in 0..<20 { smart(machine, SMARTFeature.executeOffline, low: 2) }
            smart(machine, SMARTFeature.readLog, count: 1, low: 6)
            XCTAssertEqual(page(machine)[508], 3, "24 tests in 21 places")
        }
    }

    func testManyErrorsFailTheDisk() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.faults.add(.init(.error(EIO), operations: [.write], count: 94))
            for _ in 0..<94 {
                machine.command28(Opcode.writeSectors, lba: 0, count: 1)
                machine.writeData([UInt8](repeating: 0, count: 512))
                machine.settle()
                XCTAssertEqual(machine.status, DriveStatus.failed)
            }
            smart(machine, SMARTFeature.returnStatus)
            XCTAssertEqual(
                [machine.inb(IDEPort.lbaMid), machine.inb(IDEPort.lbaHigh)], [0xF4, 0x2C])
        }
    }
}
