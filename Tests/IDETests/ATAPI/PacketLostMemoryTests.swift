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
            let m = try cdMachine(configuration, CDROMOptions(readErrorPolicy: .ignore))
            let peer = try PeerFile(size: Self.size, fill: 0xEE)
            try m.space.map(
                .ram(try GuestRAM(descriptor: peer.descriptor, size: Self.size)),
                at: GuestAddress(Self.base))
            try peer.shorten(to: 8 * 4096)
            let commands: [(packet: [UInt8], size: Int, toMemory: Bool)] = [
                ([0x12, 0, 0, 0, 36], 36, true),
                (Machine.read10(10, count: 1), 2048, true),
                (Machine.readCD(10, count: 1, 0xF8), 2352, true),
                ([0x55, 0x10, 0, 0, 0, 0, 0, 0, 16], 16, false),
            ]
            for round in 0..<3 {
                if round == 2 { try peer.restore() }
                for command in commands {
                    for start in [Self.lost, Self.lost + 2, Self.lost - 2] {
                        m.packetDMA(
                            command.packet, [(start, command.size)], toMemory: command.toMemory)
                        let what = "\(configuration), \(command.packet), \(hex(start)), \(round)"
                        XCTAssertEqual(m.bmStatus, 6, what)
                        XCTAssertTrue(m.irq, what)
                        XCTAssertEqual([m.error, m.reason], [4, 3], what)
                        XCTAssertEqual(m.status, 0x41, what)
                    }
                }
            }
            m.packetDMA(Machine.read10(10, count: 1), [(Self.base, 2048)])
            XCTAssertEqual(m.bmStatus, 4)
            m.expectSuccess()
            XCTAssertEqual(m.bytes(at: Self.base, count: 2048), Self.content(block: 10))
        }
    }
}
