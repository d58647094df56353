import XCTest

@testable import TestSupport

/// A guest that does anything at all: every command is answered, and the machine ends well.
/// IDE_MACHINE_SEED and IDE_MACHINE_COMMANDS choose another guest, or a more enduring one.
final class RandomGuestTests: XCTestCase {
    private static func setting(_ name: String, _ usual: UInt64) -> UInt64 {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } ?? usual
    }

    /// Marsaglia: "Xorshift RNGs", 2003.
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    func testEveryCommandIsAnswered() throws {
        let seed = Self.setting("IDE_MACHINE_SEED", 1)
        let count = Self.setting("IDE_MACHINE_COMMANDS", 20_000)
        var random = Random(state: seed &* 0x9e37_79b9_7f4a_7c15 | 1)
        for options in [[], ["--bounce-limit", "512"], ["--force-bounce", "--dma-cache", "off"]] {
            let bench = try Bench(
                options + [
                    "--memory", "1", "--hole", "0x20000+0x3000", "--rom", "0x30000+0x1000",
                    "--mmio",
                    "0x40000+0x800", "--self-mmio", "0x50000", "--drive",
                    "primary-master=DIR/disk.img,rerror=stop", "--drive",
                    "primary-slave=DIR/other.img,direct=off",
                ], size: 1 << 20, other: "other.img")
            _ = try IDEDriver(bench.qtest)
            var left = count / 3
            while left > 0 {
                let some = min(left, 200)
                left -= some
                let commands = (0..<some).map { _ in command(&random) }
                try bench.qtest.socket.send((commands.joined(separator: "\n") + "\n").utf8)
                for command in commands { try bench.qtest.success(of: "\(command), seed \(seed)") }
                try disturb(bench.qmp, &random)
            }
            try bench.end()
            XCTAssertEqual(try bench.medium(0..<2048).count, 1 << 20)
            XCTAssertEqual(try bench.medium(2048..<2049), [], "the image has not grown")
        }
    }

    private func command(_ random: inout Random) -> String {
        let letter = one(["b", "b", "b", "b", "w", "l"], &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0: return "clock_step 1"
        case 1...2:
            // The tables, full of small pieces at places of all kinds.
            let entry = 0x8000 + 8 * Int.random(in: 0..<64, using: &random)
            let places = [0x10000, 0x1fe00, 0x22f00, 0x30000, 0x40000, 0x50000, 0xffe00]
            let address = one(places, &random) + Int.random(in: 0..<600, using: &random)
            let length = one([16, 300, 512, 2048], &random) | one([0, 1 << 31], &random)
            return "writeq \(entry) \(UInt64(address) | UInt64(length) << 32)"
        case 3: return "outl \(one(Self.busMasters, &random) + BusMasterRegister.table) 0x8000"
        case 4: return "outb \(one(Self.busMasters, &random)) \(one(BusMasterCommand.all, &random))"
        case 5...7:
            return
                "outb \(one(Self.bases, &random) + CommandBlock.command) \(one(Self.opcodes, &random))"
        case 8:
            let values = [
                0, 0, 0, DeviceControlBits.interruptDisable, DeviceControlBits.softwareReset,
                DeviceControlBits.highOrderByte,
            ]
            return "outb \(one(Self.bases, &random) + CommandBlock.control) \(one(values, &random))"
        case 9:
            // Most often both.
            let both = PCICommandBits.io | PCICommandBits.busMaster
            let values = [
                both, both, both, both | PCICommandBits.memory, PCICommandBits.io,
                PCICommandBits.busMaster,
            ]
            return "outw \(PCIPort.data) \(one(values, &random))"
        case 10...13: return "in\(letter) \(one(Self.ports, &random))"
        default:
            let value = one([0, 1, 2, 0xe0, 0xf0, random.next() & 0xffff_ffff], &random)
            return "out\(letter) \(one(Self.ports, &random)) \(value)"
        }
    }

    private static let bases = [ChannelPort.primary, ChannelPort.secondary]
    private static let busMasters = [
        IDEDriver.busMasterBase, IDEDriver.busMasterBase + BusMasterRegister.secondChannel,
    ]
    private static let ports: [UInt16] =
        bases.flatMap { Array($0...$0 + CommandBlock.status) }
        + bases.map { $0 + CommandBlock.control }
        + Array(IDEDriver.busMasterBase...IDEDriver.busMasterBase + 15)
    private static let opcodes = [
        Opcode.readSectors, Opcode.readSectorsExt, Opcode.readMultipleExt, Opcode.writeSectors,
        Opcode.writeSectorsExt, Opcode.writeMultipleExt, Opcode.readVerify, Opcode.readDMA,
        Opcode.readDMAExt, Opcode.writeDMA, Opcode.writeDMAExt, Opcode.writeDMAFUAExt,
        Opcode.readMultiple, Opcode.writeMultiple, Opcode.setMultipleMode, Opcode.flushCache,
        Opcode.identifyDevice, Opcode.dataSetManagement, Opcode.setFeatures, Opcode.smart,
        Opcode.executeDeviceDiagnostic, Opcode.initializeDeviceParameters, Opcode.readBuffer,
        Opcode.writeBuffer, Opcode.readNativeMaxAddress,
    ]

    private func one<Value>(_ values: [Value], _ random: inout Random) -> Value {
        values[Int.random(in: values.indices, using: &random)]
    }

    private func disturb(_ qmp: QMPClient, _ random: inout Random) throws {
        let drive = one(["primary-master", "primary-slave"], &random)
        let operation = one(["read", "write", "flush", "discard"], &random)
        switch Int.random(in: 0..<8, using: &random) {
        case 0: try qmp.run("x-fault", ["drive": drive, "operation": operation])
        case 1: try qmp.run("x-hold", ["drive": drive, "operation": operation])
        case 2...3: try qmp.run("x-release", ["drive": drive, "operation": operation])
        case 4...5: try qmp.run("cont")
        case 6: try qmp.run("stop")
        default: try qmp.run("query-blockstats")
        }
    }
}
