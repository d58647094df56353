import BlockIO
import CTestSupport
import IDE
import XCTest
@testable import TestSupport

/// A controller that has warmed up allocates nothing for a command.
final class AllocationTests: IDETestCase {
    func testCommandsAllocateNothing() throws {
        for engine in EngineKind.allCases {
            var configuration = MachineConfiguration.one
            configuration.engine = engine
            let machine = try machine(configuration)
            machine.controller.delegate = nil
            machine.setTable((0..<32).map { (TestMachine.data + UInt32($0) * 8192, 4096) })
            for _ in 0..<50 { run(machine) }
            var least = UInt64.max
            // The rest of the process has its own affairs.
            for _ in 0..<5 where least > 0 {
                cts_allocations_start()
                for _ in 0..<50 { run(machine) }
                least = min(least, cts_allocations_stop())
            }
            guard cts_allocations_are_countable() else { continue }
            XCTAssertEqual(least, 0, "allocations in 50 times 4 commands, \(engine)")
        }
    }

    /// READ DMA and WRITE DMA of 32 descriptors of 4 KiB, one sector by PIO, and a flush.
    private func run(_ machine: TestMachine) {
        transfer(machine, Opcode.readDMA)
        transfer(machine, Opcode.writeDMA)
        machine.command28(Opcode.readSectors, lba: 0, count: 1)
        finish(machine)
        for _ in 0..<128 { _ = machine.controller.readPort(IDEPort.data, width: 4) }
        machine.command28(Opcode.flushCache)
        finish(machine)
    }

    private func transfer(_ machine: TestMachine, _ opcode: UInt8) {
        machine.outb(TestMachine.busMaster, BusMasterCommand.stop)
        machine.clearBusMasterStatus()
        machine.command28(opcode, lba: 0, count: 0)
        machine.start(toMemory: opcode == Opcode.readDMA)
        finish(machine)
    }

    private func finish(_ machine: TestMachine) {
        while machine.controller.isBusy { machine.controller.poll(timeout: .seconds(1)) }
        precondition(machine.status & (DriveStatus.busy | DriveStatus.errorBit) == 0)
    }
}
