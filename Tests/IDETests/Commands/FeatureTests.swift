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

    private func setTransferMode(_ machine: TestMachine, _ mode: UInt8) -> UInt8 {
        setFeatures(machine, Feature.setTransferMode, count: mode)
    }

    func testSwitches() throws {
        try forEachMachine { machine in
            for (on, off, bit) in [
                (Feature.enableWriteCache, Feature.disableWriteCache, CommandSetBit.writeCache),
                (
                    Feature.enableReadLookAhead, Feature.disableReadLookAhead,
                    CommandSetBit.readLookAhead
                ),
            ] {
                func identifyBit(_ word: Int) -> UInt16 { machine.identify()[word] >> bit & 1 }
                XCTAssertEqual(identifyBit(IdentifyWord.enabledCommandSets), 1)
                XCTAssertEqual(setFeatures(machine, off), DriveStatus.idle)
                XCTAssertEqual(identifyBit(IdentifyWord.enabledCommandSets), 0)
                XCTAssertEqual(identifyBit(IdentifyWord.supportedCommandSets), 1)
                XCTAssertEqual(setFeatures(machine, on), DriveStatus.idle)
                XCTAssertEqual(identifyBit(IdentifyWord.enabledCommandSets), 1)
            }
            // Among them power management (05h, 85h) and acoustic management (42h, C2h), which the drive
            // does not have.
            for unknown: UInt8 in [0x00, 0x05, 0x85, 0x42, 0xC2, 0x10, 0xDD, 0xFF] {
                XCTAssertEqual(setFeatures(machine, unknown), DriveStatus.failed, hex(unknown))
                XCTAssertEqual(machine.error, DriveError.aborted)
            }
            machine.sample("done")
        }
    }

    func testTransferModes() throws {
        try forEachMachine { machine in
            // Multiword DMA 0 to 2 are bits 2:0, Ultra DMA 0 to 5 are bits 5:0; the one that is set is
            // eight bits further on.
            for (mode, words) in [
                (TransferModeValue.multiwordDMA(0), [0x0107, 0x003F]),
                (TransferModeValue.multiwordDMA(2), [0x0407, 0x003F]),
                (TransferModeValue.ultraDMA(0), [0x0007, 0x013F]),
                (TransferModeValue.ultraDMA(5), [0x0007, 0x203F]),
            ] as [(UInt8, [UInt16])] {
                XCTAssertEqual(setTransferMode(machine, mode), DriveStatus.idle)
                let found = machine.identify()
                XCTAssertEqual(
                    [found[IdentifyWord.multiwordDMA], found[IdentifyWord.ultraDMA]], words)
            }
            for mode in [
                TransferModeValue.pioDefault, TransferModeValue.pioDefaultWithoutIORDY,
                TransferModeValue.pio(0), TransferModeValue.pio(3), TransferModeValue.pio(4),
            ] {
                XCTAssertEqual(setTransferMode(machine, mode), DriveStatus.idle, hex(mode))
                XCTAssertEqual(
                    machine.identify()[IdentifyWord.ultraDMA], 0x203F,
                    "a PIO mode leaves the DMA mode")
            }
            let absent = [
                TransferModeValue.pio(5), TransferModeValue.singlewordDMA(0),
                TransferModeValue.singlewordDMA(2), TransferModeValue.multiwordDMA(3),
                TransferModeValue.ultraDMA(6), TransferModeValue.ultraDMA(7),
            ]
            let reserved: [UInt8] = [0x02, 0x60, 0x80, 0xFF]
            for mode in absent + reserved {
                XCTAssertEqual(setTransferMode(machine, mode), DriveStatus.failed, hex(mode))
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
                _ = setTransferMode(machine, TransferModeValue.multiwordDMA(0))
                machine.control(DeviceControlBits.softwareReset)
                machine.control(0)
                let words = machine.identify()
                return [
                    words[IdentifyWord.multipleSetting],
                    words[IdentifyWord.enabledCommandSets] >> CommandSetBit.readLookAhead & 1,
                    words[IdentifyWord.multiwordDMA],
                ]
            }
            XCTAssertEqual(changeAndReset(), [0x0102, 0, 0x0107])
            XCTAssertEqual(setFeatures(machine, Feature.enableReverting), DriveStatus.idle)
            XCTAssertEqual(changeAndReset(), [0x0110, 1, 0x0007])
            XCTAssertEqual(
                changeAndReset(), [0x0110, 1, 0x0007], "the reset is no end of that")
            XCTAssertEqual(setFeatures(machine, Feature.enableReverting), DriveStatus.idle)
            XCTAssertEqual(setFeatures(machine, Feature.disableReverting), DriveStatus.idle)
            XCTAssertEqual(changeAndReset(), [0x0102, 0, 0x0107])
        }
    }

    func testSetMultiple() throws {
        try forEachMachine { machine in
            for count: UInt8 in [1, 2, 4, 8, 16] {
                machine.command28(Opcode.setMultipleMode, count: count)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(
                    machine.identify()[IdentifyWord.multipleSetting], 0x100 | UInt16(count))
            }
            for count: UInt8 in [3, 6, 17, 32, 128, 255] {
                machine.command28(Opcode.setMultipleMode, count: count)
                XCTAssertEqual(
                    [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted])
                XCTAssertEqual(machine.identify()[IdentifyWord.multipleSetting], 0x110)
            }
            machine.command28(Opcode.setMultipleMode, count: 0)
            XCTAssertEqual(machine.identify()[IdentifyWord.multipleSetting], 0)
            machine.sample("done")
        }
    }

    func testPowerManagement() throws {
        try forEachMachine { machine in
            let (isActive, isStandby): (UInt8, UInt8) = (0xFF, 0)
            func mode(_ opcode: UInt8 = Opcode.checkPowerMode) -> UInt8 {
                machine.command28(opcode, count: 0x33)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                return machine.count
            }
            XCTAssertEqual(mode(), isActive)
            for (standby, idle, check) in [
                (Opcode.standbyImmediate, Opcode.idleImmediate, Opcode.checkPowerMode),
                (Opcode.standby, Opcode.idle, Opcode.checkPowerMode),
                (
                    Opcode.retiredStandbyImmediate, Opcode.retiredIdleImmediate,
                    Opcode.retiredCheckPowerMode
                ),
                (Opcode.retiredStandby, Opcode.retiredIdle, Opcode.retiredCheckPowerMode),
            ] {
                machine.command28(standby, count: 5)
                XCTAssertTrue(machine.irq)
                XCTAssertEqual(machine.status, DriveStatus.idle)
                XCTAssertEqual(mode(check), isStandby)
                machine.command28(idle)
                XCTAssertEqual(mode(check), isActive)
            }
            for opcode: UInt8 in [
                Opcode.readSectors, Opcode.readVerify, Opcode.writeSectors, Opcode.readMultiple,
            ] {
                machine.command28(Opcode.standbyImmediate)
                machine.command28(opcode, lba: 0, count: 1)
                machine.settle()
                if opcode != Opcode.readVerify { machine.writeData(machine.readData(count: 512)) }
                machine.settle()
                XCTAssertEqual(mode(), isActive, "a media command ends standby")
            }
            machine.command28(Opcode.standbyImmediate)
            machine.transfer(Opcode.readDMA, lba: 0, count: 1, [(TestMachine.data, 512)])
            XCTAssertEqual(mode(), isActive)
            machine.command28(Opcode.standbyImmediate)
            machine.command28(Opcode.sleep)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            XCTAssertEqual(mode(), isStandby, "SLEEP is a no-op")
            machine.command28(Opcode.retiredSleep)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            _ = machine.identify()
            XCTAssertEqual(mode(), isStandby)
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
            XCTAssertEqual(machine.lba28, UInt32(Self.sectorCount - 1))
            machine.command48(Opcode.readNativeMaxAddressExt)
            XCTAssertEqual(machine.lba48, UInt64(Self.sectorCount - 1))
            machine.sample("done")
        }
    }

    func testAnErrorIsGoneWithTheNextCommand() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            machine.command28(Opcode.unknown)
            XCTAssertEqual(machine.error, DriveError.aborted)
            machine.command28(Opcode.checkPowerMode)
            XCTAssertEqual([machine.status, machine.error], [DriveStatus.idle, 0])
        }
    }
}
