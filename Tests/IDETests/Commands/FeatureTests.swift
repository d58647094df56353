import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATA commands": SET FEATURES, power, buffers and what else has no data.
final class FeatureTests: IDETestCase {
    private func setFeatures(_ machine: TestMachine, _ subcommand: UInt8, count: UInt8 = 0) -> UInt8
    {
        machine.command28(Opcode.setFeatures, count: count, features: subcommand)
        machine.settle()
        XCTAssertTrue(machine.irq, hex(subcommand))
        return machine.status
    }

    func testSwitches() throws {
        try forEachMachine { machine in
            for (on, off, bit) in [(0x02, 0x82, 5), (0xAA, 0x55, 6)] as [(UInt8, UInt8, Int)] {
                XCTAssertEqual(machine.identify()[85] >> bit & 1, 1)
                XCTAssertEqual(setFeatures(machine, off), 0x50)
                XCTAssertEqual(machine.identify()[85] >> bit & 1, 0)
                XCTAssertEqual(machine.identify()[82] >> bit & 1, 1)
                XCTAssertEqual(setFeatures(machine, on), 0x50)
                XCTAssertEqual(machine.identify()[85] >> bit & 1, 1)
            }
            for unknown: UInt8 in [0x00, 0x05, 0x85, 0x42, 0xC2, 0x10, 0xDD, 0xFF] {
                XCTAssertEqual(setFeatures(machine, unknown), 0x41, hex(unknown))
                XCTAssertEqual(machine.error, DriveError.aborted)
            }
            machine.sample("done")
        }
    }

    func testTransferModes() throws {
        try forEachMachine { machine in
            for (mode, words) in [
                (0x20, [0x0107, 0x003F]), (0x22, [0x0407, 0x003F]), (0x40, [0x0007, 0x013F]),
                (0x45, [0x0007, 0x203F]),
            ] as [(UInt8, [UInt16])] {
                XCTAssertEqual(setFeatures(machine, 3, count: mode), 0x50)
                let found = machine.identify()
                XCTAssertEqual([found[63], found[88]], words)
            }
            for mode: UInt8 in [0x00, 0x01, 0x08, 0x0B, 0x0C] {
                XCTAssertEqual(setFeatures(machine, 3, count: mode), 0x50, hex(mode))
                XCTAssertEqual(machine.identify()[88], 0x203F, "a PIO mode leaves the DMA mode")
            }
            for mode: UInt8 in [0x02, 0x0D, 0x10, 0x12, 0x23, 0x46, 0x47, 0x60, 0x80, 0xFF] {
                XCTAssertEqual(setFeatures(machine, 3, count: mode), 0x41, hex(mode))
                XCTAssertEqual(machine.error, DriveError.aborted)
            }
            machine.sample("done")
        }
    }

    func testRevertingIsOffUnlessAskedFor() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            func changeAndReset() -> [UInt16] {
                machine.command28(Opcode.setMultipleMode, count: 2)
                _ = setFeatures(machine, Feature.disableReadLookAhead)
                _ = setFeatures(machine, 3, count: 0x20)
                machine.control(4)
                machine.control(0)
                let words = machine.identify()
                return [words[59], words[85] >> 6 & 1, words[63]]
            }
            XCTAssertEqual(changeAndReset(), [0x0102, 0, 0x0107])
            XCTAssertEqual(setFeatures(machine, Feature.enableReverting), 0x50)
            XCTAssertEqual(changeAndReset(), [0x0110, 1, 0x0007])
            XCTAssertEqual(
                changeAndReset(), [0x0110, 1, 0x0007], "the reset is no end of that")
            XCTAssertEqual(setFeatures(machine, Feature.enableReverting), 0x50)
            XCTAssertEqual(setFeatures(machine, Feature.disableReverting), 0x50)
            XCTAssertEqual(changeAndReset(), [0x0102, 0, 0x0107])
        }
    }

    func testSetMultiple() throws {
        try forEachMachine { machine in
            for count: UInt8 in [1, 2, 4, 8, 16] {
                machine.command28(Opcode.setMultipleMode, count: count)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(machine.identify()[59], 0x100 | UInt16(count))
            }
            for count: UInt8 in [3, 6, 17, 32, 128, 255] {
                machine.command28(Opcode.setMultipleMode, count: count)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
                XCTAssertEqual(machine.identify()[59], 0x110)
            }
            machine.command28(Opcode.setMultipleMode, count: 0)
            XCTAssertEqual(machine.identify()[59], 0)
            machine.sample("done")
        }
    }

    func testPowerManagement() throws {
        try forEachMachine { machine in
            func mode(_ opcode: UInt8 = 0xE5) -> UInt8 {
                machine.command28(opcode, count: 0x33)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                return machine.count
            }
            XCTAssertEqual(mode(), 0xFF)
            for (standby, idle, check) in [
                (0xE0, 0xE1, 0xE5), (0xE2, 0xE3, 0xE5), (0x94, 0x95, 0x98), (0x96, 0x97, 0x98),
            ] as [(UInt8, UInt8, UInt8)] {
                machine.command28(standby, count: 5)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(mode(check), 0)
                machine.command28(idle)
                XCTAssertEqual(mode(check), 0xFF)
            }
            for opcode: UInt8 in [
                Opcode.readSectors, Opcode.readVerify, Opcode.writeSectors, Opcode.readMultiple,
            ] {
                machine.command28(Opcode.standbyImmediate)
                machine.command28(opcode, lba: 0, count: 1)
                machine.settle()
                if opcode != Opcode.readVerify { machine.writeData(machine.readData(count: 512)) }
                machine.settle()
                XCTAssertEqual(mode(), 0xFF, "a media command ends standby")
            }
            machine.command28(Opcode.standbyImmediate)
            machine.transfer(Opcode.readDMA, lba: 0, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(mode(), 0xFF)
            machine.command28(Opcode.standbyImmediate)
            machine.command28(Opcode.sleep)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(mode(), 0, "SLEEP is a no-op")
            machine.command28(0x99)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            _ = machine.identify()
            XCTAssertEqual(mode(), 0)
            machine.sample("done")
        }
    }

    func testSectorBuffer() throws {
        try forEachMachine { machine in
            machine.command28(Opcode.readBuffer)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.readData(count: 512), [UInt8](repeating: 0, count: 512))
            let data = (0..<512).map { UInt8(truncatingIfNeeded: $0 * 5) }
            machine.command28(Opcode.writeBuffer)
            XCTAssertFalse(machine.irq)
            XCTAssertEqual(machine.alternateStatus, DriveStatus.wantsData)
            machine.writeData(data)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            _ = machine.identify()
            machine.command28(Opcode.readBuffer)
            XCTAssertEqual(machine.readData(count: 512), data)
            machine.sample("done")
        }
    }

    func testCommandsWithoutData() throws {
        try forEachMachine { machine in
            for opcode: UInt8 in [Opcode.recalibrate, Opcode.securityFreezeLock] {
                machine.command28(opcode)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
            }
            machine.command28(Opcode.nop)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted],
                "NOP exists to be aborted")
            machine.command28(Opcode.readNativeMaxAddress)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(machine.lba28, 2047)
            machine.command48(Opcode.readNativeMaxAddressExt)
            XCTAssertEqual(machine.lba48, 2047)
            machine.sample("done")
        }
    }

    func testAnErrorIsGoneWithTheNextCommand() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.command28(0xFF)
            XCTAssertEqual(machine.error, DriveError.aborted)
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual([machine.status, machine.error], [DriveStatus.idle, 0])
        }
    }
}
