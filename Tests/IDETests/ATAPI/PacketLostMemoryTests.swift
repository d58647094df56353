import BlockATA
import BlockDMA
import BlockIO
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// docs/ide-rules.md, "Bus master": a packet drive and memory that has been taken away.
final class PacketLostMemoryTests: CDTestCase {
    private static let base: UInt32 = 0x100_0000
    private static let size = 16 * 4096
    private static let lost = base + 8 * 4096

    override func setUpWithError() throws {
        try GuestRAM.surviveTruncation()
    }

    func testFaultsOfMemoryThatIsGone() throws {
        for configuration in MachineConfiguration.all {
            let machine = try cdMachine(configuration, CDROMOptions(readErrorPolicy: .ignore))
            let peer = try PeerFile(size: Self.size, fill: 0xEE)
            try machine.space.map(
                .ram(try GuestRAM(descriptor: peer.descriptor, size: Self.size)),
                at: GuestAddress(Self.base))
            try peer.shorten(to: 8 * 4096)
            let commands: [(packet: [UInt8], size: Int, toMemory: Bool)] = [
                ([PacketOpcode.inquiry, 0, 0, 0, 36], 36, true),
                (TestMachine.read10(10, count: 1), 2048, true),
                (TestMachine.readCD(10, count: 1, ReadCDFields.all), 2352, true),
                (
                    [PacketOpcode.modeSelect10, PacketBits.pageFormat, 0, 0, 0, 0, 0, 0, 16], 16,
                    false
                ),
            ]
            for round in 0..<3 {
                if round == 2 { try peer.restore() }
                for command in commands {
                    for start in [Self.lost, Self.lost + 2, Self.lost - 2] {
                        machine.packetDMA(
                            command.packet, [(start, command.size)], toMemory: command.toMemory)
                        let what = "\(configuration), \(command.packet), \(hex(start)), \(round)"
                        XCTAssertEqual(machine.bmStatus, BusMasterStatus.interruptAndError, what)
                        XCTAssertTrue(machine.irq, what)
                        XCTAssertEqual(
                            [machine.error, machine.reason],
                            [DriveError.aborted, ReasonRegister.status], what)
                        XCTAssertEqual(machine.status, DriveStatus.failed, what)
                    }
                }
            }
            machine.packetDMA(TestMachine.read10(10, count: 1), [(Self.base, 2048)])
            XCTAssertEqual(machine.bmStatus, BusMasterStatus.interrupt)
            machine.expectSuccess()
            XCTAssertEqual(machine.bytes(at: Self.base, count: 2048), Self.content(block: 10))
        }
    }
}
