import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": DMA that would lead back into the controller.
final class ReentrancyTests: IDETestCase {
    /// The bus master's registers, as memory.
    private final class OwnRegisters: MMIODevice, @unchecked Sendable {
        unowned let machine: TestMachine
        var accesses = 0
        init(_ machine: TestMachine) { self.machine = machine }

        func read(offset: UInt64, width: Int) -> UInt64? {
            accesses += 1
            return UInt64(
                machine.controller.readPort(
                    TestMachine.busMaster + UInt16(offset & 15), width: width))
        }

        func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
            accesses += 1
            machine.controller.writePort(
                TestMachine.busMaster + UInt16(offset & 15), width: width,
                value: UInt32(truncatingIfNeeded: value))
            return true
        }
    }

    private func expectRefusal(_ machine: TestMachine, _ own: OwnRegisters, line: UInt = #line) {
        XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError, line: line)
        XCTAssertEqual(
            [machine.status, machine.error], [DriveStatus.failed, DriveError.aborted], line: line)
        XCTAssertEqual(own.accesses, 0, line: line)
        machine.stop()
        machine.clearBusMasterStatus()
    }

    func testOwnRegistersAreRefused() throws {
        try forEachMachine { machine in
            let own = OwnRegisters(machine)
            try machine.space.map(
                .mmio(own, size: 16, reentrancy: machine.controller.reentrancy), at: 0x20_0000,
                priority: 1)
            for opcode: UInt8 in [Opcode.readDMA, Opcode.writeDMA] {
                machine.transfer(
                    opcode, lba: 5, count: 1,
                    [(TestMachine.data, 256), (0x20_0000, 16), (TestMachine.data, 240)])
                machine.sample("data \(hex(opcode))")
                expectRefusal(machine, own)
                machine.controller.writePort(
                    TestMachine.busMaster + BusMasterRegister.table, width: 4, value: 0x20_0000)
                machine.command28(opcode, lba: 5, count: 1)
                machine.start(toMemory: opcode == Opcode.readDMA)
                machine.settle()
                machine.sample("table \(hex(opcode))")
                expectRefusal(machine, own)
            }
            XCTAssertEqual(try machine.medium(sector: 5, count: 1), Self.content(sector: 5))
        }
    }

    /// A region that does not say where it leads finds the controller deaf.
    func testOwnRegistersInDisguise() throws {
        try forEachMachine(over: MachineConfiguration.engines) { machine in
            let own = OwnRegisters(machine)
            try machine.space.map(.mmio(own, size: 512), at: 0x20_0000, priority: 1)
            machine.transfer(Opcode.readDMA, lba: 5, count: 1, [(0x20_0000, 512)])
            XCTAssertEqual(
                [machine.bmStatus, machine.status], [BusMasterStatus.interrupt, DriveStatus.idle],
                "not stopped by what it wrote itself")
            XCTAssertGreaterThan(own.accesses, 0)
            XCTAssertEqual(
                machine.controller.readPort(
                    TestMachine.busMaster + BusMasterRegister.table, width: 4), TestMachine.table)
        }
    }
}
