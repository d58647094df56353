import GuestMemory
import IDE
import XCTest

/// docs/ide-rules.md, "Bus master": DMA that would lead back into the controller.
final class ReentrancyTests: IDETestCase {
    /// The bus master's registers, as memory.
    private final class OwnRegisters: MMIODevice, @unchecked Sendable {
        unowned let machine: Machine
        var accesses = 0
        init(_ machine: Machine) { self.machine = machine }

        func read(offset: UInt64, width: Int) -> UInt64? {
            accesses += 1
            return UInt64(
                machine.controller.readPort(Machine.busMaster + UInt16(offset & 15), width: width))
        }

        func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
            accesses += 1
            machine.controller.writePort(
                Machine.busMaster + UInt16(offset & 15), width: width,
                value: UInt32(truncatingIfNeeded: value))
            return true
        }
    }

    private func expectRefusal(_ m: Machine, _ own: OwnRegisters, line: UInt = #line) {
        XCTAssertEqual(m.bmStatus, 6, line: line)
        XCTAssertEqual([m.status, m.error], [0x41, 4], line: line)
        XCTAssertEqual(own.accesses, 0, line: line)
        m.stop()
        m.outb(Machine.busMaster + 2, 6)
    }

    func testOwnRegistersAreRefused() throws {
        try forEachMachine { m in
            let own = OwnRegisters(m)
            try m.space.map(
                .mmio(own, size: 16, reentrancy: m.controller.reentrancy), at: 0x20_0000,
                priority: 1)
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.transfer(
                    opcode, lba: 5, count: 1,
                    [(Machine.data, 256), (0x20_0000, 16), (Machine.data, 240)])
                m.sample("data \(hex(opcode))")
                expectRefusal(m, own)
                m.controller.writePort(Machine.busMaster + 4, width: 4, value: 0x20_0000)
                m.command28(opcode, lba: 5, count: 1)
                m.start(toMemory: opcode == 0xC8)
                m.settle()
                m.sample("table \(hex(opcode))")
                expectRefusal(m, own)
            }
            XCTAssertEqual(try m.medium(sector: 5, count: 1), Self.content(sector: 5))
        }
    }

    /// A region that does not say where it leads finds the controller deaf.
    func testOwnRegistersInDisguise() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            let own = OwnRegisters(m)
            try m.space.map(.mmio(own, size: 512), at: 0x20_0000, priority: 1)
            m.transfer(0xC8, lba: 5, count: 1, [(0x20_0000, 512)])
            XCTAssertEqual(
                [m.bmStatus, m.status], [4, 0x50], "not stopped by what it wrote itself")
            XCTAssertGreaterThan(own.accesses, 0)
            XCTAssertEqual(m.controller.readPort(Machine.busMaster + 4, width: 4), Machine.table)
        }
    }
}
