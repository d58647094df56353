import BlockATA
import BlockDMA
import BlockIO
import Glibc
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "ATAPI": what a failed read of the host means, by policy.
final class PacketErrorTests: CDTestCase {
    private let data = TestMachine.data

    /// Fails reads of block 10.
    private func fault(_ machine: TestMachine, errno: CInt = EIO, count: Int = .max) {
        machine.faults.add(
            .init(.error(errno), operations: [.read], range: 10 * 2048..<11 * 2048, count: count))
    }

    func testReported() throws {
        try forEachCD { machine in
            self.fault(machine)
            machine.packet(TestMachine.read10(10, count: 1))
            machine.expectFailure(.unrecoveredReadError)
            machine.packet(TestMachine.readCD(10, count: 3, ReadCDFields.all))
            machine.expectFailure(.unrecoveredReadError)
            machine.packetDMA(TestMachine.read10(10, count: 2), [(self.data, 4096)])
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectFailure(.unrecoveredReadError)
            machine.packetDMA(
                TestMachine.readCD(10, count: 1, ReadCDFields.all), [(self.data, 2352)])
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectFailure(.unrecoveredReadError)
            XCTAssertEqual(machine.events.map(\.action), [.report, .report, .report, .report])
            XCTAssertEqual(machine.events.map(\.errno), [EIO, EIO, EIO, EIO])
            // Block 11 may be in the same block of the host.
            XCTAssertEqual(
                machine.dataIn(TestMachine.read10(12, count: 1)), Self.content(block: 12))
            machine.sample("done")
        }
    }

    /// EFAULT: the host could not reach the guest's memory, whatever the policy for the medium.
    func testMemoryThatIsGone() throws {
        for policy in [ErrorPolicy.report, .ignore] {
            let machine = try cdMachine(.one, CDROMOptions(readErrorPolicy: policy))
            self.fault(machine, errno: EFAULT, count: 1)
            machine.packetDMA(TestMachine.read10(10, count: 2), [(self.data, 4096)])
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError)
            machine.expectAbort()
            XCTAssertEqual(machine.events.count, 0)
            machine.packetDMA(TestMachine.read10(10, count: 2), [(self.data, 4096)])
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
        }
    }

    func testTheSenseNamesTheBlock() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            fault(machine)
            // The first two bursts are good.
            machine.packet(TestMachine.read10(8, count: 4), limit: 2048)
            XCTAssertEqual(machine.takeBursts().data, Self.content(block: 8, count: 2))
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, PacketError.mediumError])
            XCTAssertEqual(
                machine.dataIn([PacketOpcode.requestSense, 0, 0, 0, 18]),
                [0xF0, 0, 3] + TestMachine.bytes(10) + [10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0])
        }
    }

    /// A command that comes before REQUEST SENSE forgets the sense data, whether or not it succeeds, and
    /// whether or not it would be carried out while a unit attention condition waits.
    func testTheNextCommandForgetsTheSense() throws {
        try forEachCD(over: MachineConfiguration.engines) { machine in
            for packet in [
                [PacketOpcode.testUnitReady], [PacketOpcode.inquiry, 0, 0, 0, 36],
                [PacketOpcode.getConfiguration, 0, 0, 0, 0, 0, 0, 0, 8],
                [
                    PacketOpcode.getEventStatusNotification, PacketBits.polled, 0, 0,
                    EventClass.media, 0, 0, 0, 8,
                ],
                TestMachine.read10(0, count: 1),
            ] as [[UInt8]] {
                machine.packet(TestMachine.read10(.max, count: 1))
                XCTAssertEqual(
                    [machine.status, machine.error],
                    [DriveStatus.failed, PacketError.illegalRequest])
                machine.dataIn(packet)
                XCTAssertEqual(machine.takeSense(), SenseKeyCode.none, hex(packet[0]))
            }
            machine.packet(TestMachine.read10(.max, count: 1))
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, PacketError.illegalRequest])
            machine.packet([0xFF])
            machine.expectFailure(.invalidOperation)
            // A command that the byte-count limit aborts has no sense of its own.
            machine.packet(TestMachine.read10(.max, count: 1))
            machine.packet(TestMachine.read10(0, count: 1), limit: 0)
            machine.expectAbort()
            XCTAssertEqual(machine.takeSense(), SenseKeyCode.none)
        }
    }

    func testIgnored() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .ignore), over: MachineConfiguration.engines) {
            machine in
            fault(machine)
            XCTAssertEqual(
                machine.dataIn(TestMachine.read10(10, count: 1)), [UInt8](repeating: 0, count: 2048)
            )
            let raw = machine.dataIn(TestMachine.readCD(10, count: 1, ReadCDFields.all))
            XCTAssertEqual(raw[16..<2064].reduce(0, |), 0)
            machine.packetDMA(TestMachine.read10(10, count: 1), [(data, 2048)])
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectSuccess()
            XCTAssertEqual(Set(machine.events.map(\.action)), [.ignore])
        }
    }

    func testStoppedAndResumed() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop)) { machine in
            for kind in 0..<3 {
                self.fault(machine, count: 1)
                machine.stop()
                machine.clearBusMasterStatus()
                let packet =
                    kind == 2
                    ? TestMachine.readCD(9, count: 4, ReadCDFields.all)
                    : TestMachine.read10(9, count: 4)
                let size = kind == 2 ? 4 * 2352 : 8192
                machine.setTable([(self.data, size)])
                machine.packet(packet, isDMA: kind > 0)
                if kind > 0 { machine.start(toMemory: true) }
                machine.settle()
                XCTAssertEqual(machine.events.last?.action, .stop)
                XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
                XCTAssertFalse(machine.irq)
                machine.controller.resume()
                machine.settle()
                if kind == 0 {
                    XCTAssertEqual(machine.takeBursts().data, Self.content(block: 9, count: 4))
                } else {
                    XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
                    let bytes = machine.bytes(at: self.data, count: size)
                    if kind == 1 { XCTAssertEqual(bytes, Self.content(block: 9, count: 4)) }
                    if kind == 2 { XCTAssertEqual(Array(bytes[16..<2064]), Self.content(block: 9)) }
                }
                machine.expectSuccess()
                machine.sample("kind \(kind)")
            }
        }
    }

    func testStoppedAndReset() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines) {
            machine in
            fault(machine, count: 1)
            machine.packet(TestMachine.read10(10, count: 1))
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            machine.outb(IDEPort.command, Opcode.deviceReset)
            XCTAssertEqual(machine.alternateStatus, 0)
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.alternateStatus, 0)
            XCTAssertEqual(
                machine.dataIn(TestMachine.read10(10, count: 1)), Self.content(block: 10))
        }
    }

    func testStoppedAndTakenBack() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines) {
            machine in
            fault(machine, count: 1)
            machine.packetDMA(TestMachine.read10(10, count: 1), [(data, 2048)])
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            machine.stop()
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectAbort()
        }
    }

    /// That a guest has taken a transfer back says nothing about its next command.
    func testACommandAfterAStopIsKeptToo() throws {
        try forEachCD(
            CDROMOptions(readErrorPolicy: .stop),
            over: MachineConfiguration.engines.filter { $0.bounce != .forced }
        ) { machine in
            let held = machine.faults.add(.init(.hold, operations: [.read]))
            machine.setTable([(data, 2048)])
            machine.givePacket(TestMachine.read10(10, count: 1), isDMA: true)
            machine.start(toMemory: true)
            machine.stop()
            machine.faults.remove(held)
            machine.faults.release()
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.idle)
            fault(machine, count: 1)
            machine.packet(TestMachine.read10(10, count: 1))
            XCTAssertEqual(machine.alternateStatus, DriveStatus.working)
            XCTAssertEqual(machine.events.map(\.action), [.stop])
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.takeBursts().data, Self.content(block: 10))
            machine.expectSuccess()
        }
    }

    func testStoppedAndTheMediumGoes() throws {
        try forEachCD(CDROMOptions(readErrorPolicy: .stop), over: MachineConfiguration.engines) {
            machine in
            fault(machine, count: 1)
            machine.packetDMA(TestMachine.read10(10, count: 1), [(data, 2048)])
            try machine.controller.eject(.primaryMaster)
            machine.controller.resume()
            machine.settle()
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectFailure(.mediumNotPresent)
        }
    }

    func testReadENOSPCStopsByPolicyEnospcOnly() throws {
        for (errno, action) in [(ENOSPC, ErrorAction.stop), (EIO, .report)] {
            try forEachCD(
                CDROMOptions(readErrorPolicy: .enospc), over: MachineConfiguration.engines
            ) { machine in
                fault(machine, errno: errno, count: 1)
                machine.packet(TestMachine.read10(10, count: 1))
                XCTAssertEqual(machine.events.map(\.action), [action])
                machine.controller.resume()
                machine.settle()
            }
        }
    }
}
