import BlockATA
import BlockDMA
import BlockIO
import Glibc
import IDE
import XCTest

/// docs/ide-rules.md, "ATAPI": what a failed read of the host means, by policy.
final class PacketErrorTests: CDTestCase {
    private let data = Machine.data

    /// Fails reads of block 10.
    private func fault(_ m: Machine, errno: CInt = EIO, count: Int = .max) {
        m.faults.add(
            .init(.error(errno), operations: [.read], range: 10 * 2048..<11 * 2048, count: count))
    }

    func testReported() throws {
        try forEachCD { m in
            self.fault(m)
            m.packet(Machine.read10(10, count: 1))
            m.expectFailure(3, 0x1100)
            m.packet(Machine.readCD(10, count: 3, 0xF8))
            m.expectFailure(3, 0x1100)
            m.packetDMA(Machine.read10(10, count: 2), [(self.data, 4096)])
            XCTAssertEqual(m.bmStatus, 4)
            m.expectFailure(3, 0x1100)
            m.packetDMA(Machine.readCD(10, count: 1, 0xF8), [(self.data, 2352)])
            XCTAssertEqual(m.bmStatus, 4)
            m.expectFailure(3, 0x1100)
            XCTAssertEqual(m.events.map(\.action), [.report, .report, .report, .report])
            XCTAssertEqual(m.events.map(\.errno), [EIO, EIO, EIO, EIO])
            // Block 11 may be in the same block of the host.
            XCTAssertEqual(m.dataIn(Machine.read10(12, count: 1)), Self.content(block: 12))
            m.sample("done")
        }
    }

    /// EFAULT: the host could not reach the guest's memory, whatever the policy for the medium.
    func testMemoryThatIsGone() throws {
        for policy in [ErrorPolicy.report, .ignore] {
            let m = try cdMachine(.one, CDROMOptions(readErrorPolicy: policy))
            self.fault(m, errno: EFAULT, count: 1)
            m.packetDMA(Machine.read10(10, count: 2), [(self.data, 4096)])
            XCTAssertEqual(m.bmStatus, 6)
            m.expectAbort()
            XCTAssertEqual(m.events.count, 0)
            m.packetDMA(Machine.read10(10, count: 2), [(self.data, 4096)])
            XCTAssertEqual(m.bmStatus, 4)
        }
    }

    func testTheSenseNamesTheBlock() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            fault(m)
            // The first two bursts are good.
            m.packet(Machine.read10(8, count: 4), limit: 2048)
            XCTAssertEqual(m.takeBursts().data, Self.content(block: 8, count: 2))
            XCTAssertEqual([m.status, m.error], [0x41, 0x30])
            XCTAssertEqual(
                m.dataIn([0x03, 0, 0, 0, 18]),
                [0xF0, 0, 3] + Machine.bytes(10) + [10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0])
        }
    }

    /// A command that comes before REQUEST SENSE forgets the sense data, whether or not it succeeds, and
    /// whether or not it would be carried out while a unit attention condition waits.
    func testTheNextCommandForgetsTheSense() throws {
        try forEachCD(over: MachineConfiguration.engines) { m in
            for packet in [
                [0x00], [0x12, 0, 0, 0, 36], [0x46, 0, 0, 0, 0, 0, 0, 0, 8],
                [0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8], Machine.read10(0, count: 1),
            ] as [[UInt8]] {
                m.packet(Machine.read10(.max, count: 1))
                XCTAssertEqual([m.status, m.error], [0x41, 0x50])
                m.dataIn(packet)
                XCTAssertEqual(m.takeSense(), SenseKeyCode(0, 0), hex(packet[0]))
            }
            m.packet(Machine.read10(.max, count: 1))
            XCTAssertEqual([m.status, m.error], [0x41, 0x50])
            m.packet([0xFF])
            m.expectFailure(5, 0x2000)
            // A command that the byte-count limit aborts has no sense of its own.
            m.packet(Machine.read10(.max, count: 1))
            m.packet(Machine.read10(0, count: 1), limit: 0)
            m.expectAbort()
            XCTAssertEqual(m.takeSense(), SenseKeyCode(0, 0))
        }
    }

    func testIgnored() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .ignore), over: MachineConfiguration.engines) {
            m in
            fault(m)
            XCTAssertEqual(
                m.dataIn(Machine.read10(10, count: 1)), [UInt8](repeating: 0, count: 2048))
            let raw = m.dataIn(Machine.readCD(10, count: 1, 0xF8))
            XCTAssertEqual(raw[16..<2064].reduce(0, |), 0)
            m.packetDMA(Machine.read10(10, count: 1), [(data, 2048)])
            XCTAssertEqual(m.bmStatus, 4)
            m.expectSuccess()
            XCTAssertEqual(Set(m.events.map(\.action)), [.ignore])
        }
    }

    func testStoppedAndResumed() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop)) { m in
            for kind in 0..<3 {
                self.fault(m, count: 1)
                m.stop()
                m.outb(Machine.busMaster + 2, 6)
                let packet =
                    kind == 2
                    ? Machine.readCD(9, count: 4, 0xF8) : Machine.read10(9, count: 4)
                let size = kind == 2 ? 4 * 2352 : 8192
                m.setTable([(self.data, size)])
                m.packet(packet, isDMA: kind > 0)
                if kind > 0 { m.start(toMemory: true) }
                m.settle()
                XCTAssertEqual(m.events.last?.action, .stop)
                XCTAssertEqual(m.alternateStatus, 0xD0)
                XCTAssertFalse(m.irq)
                m.controller.resume()
                m.settle()
                if kind == 0 {
                    XCTAssertEqual(m.takeBursts().data, Self.content(block: 9, count: 4))
                } else {
                    XCTAssertEqual(m.bmStatus, 4)
                    let bytes = m.bytes(at: self.data, count: size)
                    if kind == 1 { XCTAssertEqual(bytes, Self.content(block: 9, count: 4)) }
                    if kind == 2 { XCTAssertEqual(Array(bytes[16..<2064]), Self.content(block: 9)) }
                }
                m.expectSuccess()
                m.sample("kind \(kind)")
            }
        }
    }

    func testStoppedAndReset() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines) {
            m in
            fault(m, count: 1)
            m.packet(Machine.read10(10, count: 1))
            XCTAssertEqual(m.alternateStatus, 0xD0)
            m.outb(0x1F7, 0x08)
            XCTAssertEqual(m.alternateStatus, 0)
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.alternateStatus, 0)
            XCTAssertEqual(m.dataIn(Machine.read10(10, count: 1)), Self.content(block: 10))
        }
    }

    func testStoppedAndTakenBack() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines) {
            m in
            fault(m, count: 1)
            m.packetDMA(Machine.read10(10, count: 1), [(data, 2048)])
            XCTAssertEqual(m.alternateStatus, 0xD0)
            m.stop()
            XCTAssertEqual(m.bmStatus, 4)
            m.expectAbort()
        }
    }

    /// That a guest has taken a transfer back says nothing about its next command.
    func testACommandAfterAStopIsKeptToo() throws {
        try forEachCD(
            CDROMOptions(readErrorPolicy: .stop),
            over: MachineConfiguration.engines.filter { $0.bounce != .forced }
        ) { m in
            let held = m.faults.add(.init(.hold, operations: [.read]))
            m.setTable([(data, 2048)])
            m.givePacket(Machine.read10(10, count: 1), isDMA: true)
            m.start(toMemory: true)
            m.stop()
            m.faults.remove(held)
            m.faults.release()
            m.settle()
            XCTAssertEqual(m.status, 0x50)
            fault(m, count: 1)
            m.packet(Machine.read10(10, count: 1))
            XCTAssertEqual(m.alternateStatus, 0xD0)
            XCTAssertEqual(m.events.map(\.action), [.stop])
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.takeBursts().data, Self.content(block: 10))
            m.expectSuccess()
        }
    }

    func testStoppedAndTheMediumGoes() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines) {
            m in
            fault(m, count: 1)
            m.packetDMA(Machine.read10(10, count: 1), [(data, 2048)])
            try m.controller.eject(.primaryMaster)
            m.controller.resume()
            m.settle()
            XCTAssertEqual(m.bmStatus, 4)
            m.expectFailure(2, 0x3A00)
        }
    }

    func testReadENOSPCStopsByPolicyEnospcOnly() throws {
        for (errno, action) in [(ENOSPC, ErrorAction.stop), (EIO, .report)] {
            try forEachCD(
                CDROMOptions(readErrorPolicy: .enospc), over: MachineConfiguration.engines
            ) { m in
                fault(m, errno: errno, count: 1)
                m.packet(Machine.read10(10, count: 1))
                XCTAssertEqual(m.events.map(\.action), [action])
                m.controller.resume()
                m.settle()
            }
        }
    }
}
