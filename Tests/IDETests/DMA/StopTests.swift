import BlockIO
import IDE
import XCTest

/// docs/ide-rules.md, "Bus master": stopping a transfer that is under way.
final class StopTests: IDETestCase {
    /// A disk whose requests are held from now on.
    private func hold(_ m: Machine, count: Int = .max) -> () -> Void {
        let rule = m.faults.add(.init(.hold, operations: [.read, .write, .discard], count: count))
        return {
            m.faults.remove(rule)
            m.faults.release()
            m.settle()
        }
    }

    func testARunningRequestEndsAsUsual() throws {
        try forEachMachine { m in
            for opcode: UInt8 in [0xC8, 0xCA] {
                m.write([UInt8](repeating: opcode, count: 512), at: Machine.data)
                let release = hold(m)
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                m.setTable([(Machine.data, 512)])
                m.command28(opcode, lba: 5, count: 1)
                m.start(toMemory: opcode == 0xC8)
                XCTAssertEqual([m.bmStatus, m.alternateStatus], [1, 0xD0])
                m.stop()
                XCTAssertEqual(m.bmStatus, 0, "ACTIVE is 0 at once")
                XCTAssertEqual(m.alternateStatus, 0xD0, "until the request has ended")
                XCTAssertTrue(m.controller.isBusy)
                m.sample("stopped \(hex(opcode))")
                release()
                m.sample("ended \(hex(opcode))", m.bytes(at: Machine.data, count: 512))
                XCTAssertEqual(m.bmStatus, 4)
                XCTAssertTrue(m.irq)
                XCTAssertEqual(m.status, 0x50)
                XCTAssertEqual([m.count, m.inb(0x1F3)], [0, 6])
            }
            XCTAssertEqual(try m.medium(sector: 5, count: 1), [UInt8](repeating: 0xCA, count: 512))
        }
    }

    /// Bus mastering off keeps transfers from beginning, and takes no memory away from those under way.
    func testBusMasteringOffEndsNothing() throws {
        try forEachMachine { m in
            let release = hold(m)
            m.setTable([(Machine.data, 512)])
            m.command28(0xC8, lba: 5, count: 1)
            m.start(toMemory: true)
            m.enable(1)
            XCTAssertEqual([m.bmStatus, m.alternateStatus], [1, 0xD0])
            m.sample("off")
            release()
            m.sample("ended", m.bytes(at: Machine.data, count: 512))
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), Self.content(sector: 5))
            m.enable()
        }
    }

    func testPiecesNotSubmittedAreDropped() throws {
        try forEachMachine(over: MachineConfiguration.inPieces) { m in
            for opcode: UInt8 in [0xC8, 0xCA] {
                let release = hold(m, count: 1)
                m.write([UInt8](repeating: 0x99, count: 4096), at: Machine.data)
                m.setTable([(Machine.data, 4096)])
                m.command28(opcode, lba: 16, count: 8)
                m.start(toMemory: opcode == 0xC8)
                m.stop()
                XCTAssertEqual([m.bmStatus, m.alternateStatus], [0, 0xD0])
                release()
                XCTAssertEqual(m.bmStatus, 4)
                XCTAssertTrue(m.irq)
                XCTAssertEqual([m.status, m.error], [0x41, 4])
                XCTAssertEqual([m.count, m.inb(0x1F3)], [7, 17], "one piece was transferred")
                let memory = m.bytes(at: Machine.data + 512, count: 3584)
                XCTAssertEqual(memory, [UInt8](repeating: 0x99, count: 3584))
                XCTAssertEqual(
                    try m.medium(sector: 17, count: 7), Self.content(sector: 17, count: 7))
                m.outb(Machine.busMaster + 2, 6)
            }
        }
    }

    /// What a stop has detached does not end the next transfer's ACTIVE.
    func testStartAgainWhileTheFormerRequestRuns() throws {
        try forEachMachine { m in
            let release = hold(m)
            m.setTable([(Machine.data, 512)])
            m.command28(0xC8, lba: 5, count: 1)
            m.start(toMemory: true)
            m.stop()
            m.start(toMemory: true)
            XCTAssertEqual([m.bmStatus, m.alternateStatus], [1, 0xD0], "no second run")
            release()
            XCTAssertEqual([m.bmStatus, m.status], [5, 0x50])
            m.command28(0xC8, lba: 6, count: 1)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
            XCTAssertEqual(m.bytes(at: Machine.data, count: 512), Self.content(sector: 6))
            m.sample("done")
        }
    }

    func testStopOfAnArmedCommandLeavesItArmed() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.setTable([(Machine.data, 512)])
            m.command28(0xC8, lba: 5, count: 1)
            m.stop()
            XCTAssertEqual(m.alternateStatus, 0x58)
            m.start(toMemory: true)
            m.settle()
            XCTAssertEqual([m.bmStatus, m.status], [4, 0x50])
        }
    }

    func testStopDuringTRIMDropsTheRangesLeft() throws {
        try forEachMachine(over: MachineConfiguration.engines) { m in
            m.write(TrimTests.ranges([(8, 8), (64, 8)]), at: Machine.data)
            let release = hold(m, count: 1)
            m.setTable([(Machine.data, 512)])
            m.command48(0x06, count: 1, features: 1)
            m.start(toMemory: false)
            m.stop()
            XCTAssertEqual([m.bmStatus, m.alternateStatus], [0, 0xD0])
            release()
            XCTAssertEqual([m.bmStatus, m.status, m.error], [4, 0x41, 4])
            XCTAssertEqual(try m.medium(sector: 64, count: 8), Self.content(sector: 64, count: 8))
        }
    }
}
