import BlockIO
import GuestMemory
import IDE
import XCTest
@testable import TestSupport

/// A guest without manners: random accesses to every register, random memory, failing disks. The
/// program must survive, every request must end, and nothing outside the disks may change.
///
/// `IDE_FUZZ_STEPS` says how many accesses there are, `IDE_FUZZ_SEED` where they begin.
final class FuzzTests: IDETestCase {
    func testRandomAccesses() throws {
        let environment = ProcessInfo.processInfo.environment
        let steps = environment["IDE_FUZZ_STEPS"].flatMap { Int($0) } ?? 100_000
        let seed = environment["IDE_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1
        let perMachine = 50_000
        for round in 0..<max(1, steps / perMachine) {
            var configuration = MachineConfiguration.one
            configuration.engine = EngineKind.allCases[round % 3]
            configuration.bounce = MachineConfiguration.Bounce.allCases[round / 3 % 3]
            let machine = try machine(configuration)
            let fuzzer = try RegisterFuzzer(machine, seed: seed &+ UInt64(round))
            try machine.attach(Self.plainPath(1), to: .primarySlave)
            try machine.attach(
                Self.plainPath(2), to: .secondaryMaster,
                DiskOptions(readErrorPolicy: .stop, writeErrorPolicy: .stop))
            fuzzer.run(steps: min(steps, perMachine))
            // A reset makes a machine of it again.
            machine.faults.release()
            machine.controller.reset()
            machine.settle()
            machine.enable()
            fuzzer.removeFaults()
            machine.transfer(0xC8, lba: 0, count: 1, [(Machine.data, 512)])
            XCTAssertEqual([machine.bmStatus, machine.status], [4, 0x50], "round \(round)")
            for slot in [IDESlot.primaryMaster, .primarySlave, .secondaryMaster] {
                let disk = try XCTUnwrap(machine.disks[slot])
                XCTAssertEqual(disk.image.size, UInt64(Self.sectorCount * 512))
                XCTAssertEqual(disk.queue.outstanding, 0)
            }
        }
    }
}

/// Makes the accesses.
private final class RegisterFuzzer {
    private let machine: Machine
    private var random: SplitMix
    private var holds: [FaultInjector.RuleID] = []

    init(_ machine: Machine, seed: UInt64) throws {
        self.machine = machine
        random = SplitMix(state: seed)
        // Memory of every kind, for tables to point at.
        try machine.space.map(
            .mmio(ByteDevice(size: 65536), size: 65536), at: 0x30_0000, priority: 1)
        try machine.space.map(.hole(size: 4096), at: 0x2F_0000, priority: 1)
        try machine.space.map(.rom(GuestRAM(size: 65536)), at: 0x2E_0000, priority: 1)
        holds.append(machine.faults.add(.init(.error(EIO), probability: 0.02)))
        holds.append(
            machine.faults.add(.init(.short(512), operations: [.read, .write], probability: 0.02)))
    }

    func removeFaults() { for rule in holds { machine.faults.remove(rule) } }

    func run(steps: Int) {
        for step in 0..<steps {
            access()
            if step % 16 == 0 { machine.controller.poll() }
            if step % 4096 == 0 { rare() }
        }
    }

    private func access() {
        let controller = machine.controller
        let base: UInt16 = number(4) == 0 ? 0x170 : 0x1F0
        switch number(64) {
        case 0..<20:
            controller.writePort(base + UInt16(1 + number(6)), width: 1, value: value())
        case 20..<30:
            controller.writePort(base + 7, width: 1, value: UInt32(command()))
        case 30..<34: _ = controller.readPort(base + UInt16(number(8)), width: width())
        case 34..<38: moveData(base)
        case 38..<42:
            controller.writePort(bus(base), width: 1, value: UInt32([0, 1, 8, 9][number(4)]))
        case 42..<46: makeTable(base)
        case 46: controller.writePort(bus(base) + UInt16(number(8)), width: width(), value: value())
        case 47: _ = controller.readPort(bus(base) + UInt16(number(8)), width: width())
        case 48:
            let control = number(8) == 0 ? value() : [0, 2, 0x80][number(3)]
            controller.writePort(base + 0x206, width: 1, value: control)
            controller.writePort(base + 0x206, width: 1, value: control & ~4)
        case 49..<60: shortCommand(base)
        case 60: controller.poll(timeout: .milliseconds(1))
        case 61: controller.writePort(base + UInt16(number(8)), width: width(), value: value())
        case 62: controller.resume()
        default: _ = controller.readPort(base + 0x206, width: 1)
        }
    }

    /// A command that may well succeed.
    private func shortCommand(_ base: UInt16) {
        let controller = machine.controller
        controller.writePort(base + 6, width: 1, value: 0xA0 | UInt32([0x40, 0x50, 0][number(3)]))
        for register: UInt16 in [5, 4, 3, 2] {
            let limit = register == 2 ? 20 : register == 4 ? 9 : register == 3 ? 256 : 1
            controller.writePort(base + register, width: 1, value: UInt32(number(limit)))
        }
        controller.writePort(base + 7, width: 1, value: UInt32(command()))
    }

    private func command() -> UInt8 {
        let usual: [UInt8] = [
            0xC8, 0xCA, 0x25, 0x35, 0x3D, 0x20, 0x30, 0x24, 0x34, 0xC4, 0xC5, 0x29, 0x39, 0x40,
            0x06, 0xE7, 0xEF, 0x91, 0xC6, 0xEC, 0xE4, 0xE8, 0xB0, 0x90, 0x70, 0xF8,
        ]
        return number(8) == 0 ? UInt8(number(256)) : usual[number(usual.count)]
    }

    private func moveData(_ base: UInt16) {
        let width = [1, 2, 4][number(3)]
        var bytes = [UInt8](repeating: UInt8(number(256)), count: width * number(300))
        if number(2) == 0 {
            bytes.withUnsafeMutableBytes {
                machine.controller.transferBlock(from: base, width: width, into: $0)
            }
        } else {
            bytes.withUnsafeBytes {
                machine.controller.transferBlock(to: base, width: width, from: $0)
            }
        }
    }

    private func makeTable(_ base: UInt16) {
        var entries: [(address: UInt32, size: Int)] = []
        for _ in 0..<1 + number(12) {
            let address: UInt32 =
                switch number(16) {
                case 0: UInt32(truncatingIfNeeded: random.next())
                case 1: 0x2E_F000 + UInt32(number(0x3_0000))
                case 2: UInt32(Machine.memorySize) - UInt32(number(4096))
                default: Machine.data + UInt32(number(0x10_0000))
                }
            entries.append((address, number(8) == 0 ? number(65536) : 512 * (1 + number(16))))
        }
        machine.setTable(
            entries, isEnded: number(16) > 0,
            at: number(16) == 0 ? UInt32(number(0x2E_0000 - 256)) : Machine.table)
        machine.controller.writePort(bus(base) + 4, width: 4, value: Machine.table)
    }

    /// What seldom happens to a machine.
    private func rare() {
        let controller = machine.controller
        switch number(8) {
        case 0: controller.reset()
        case 1: controller.writeConfiguration(number(260), width: width(), value: value())
        case 2:
            guard let state = try? controller.save(timeout: .seconds(30)) else { return }
            XCTAssertNoThrow(try controller.load(state))
            XCTAssertEqual(try? controller.save(), state)
        case 3: controller.trace = { _ = $0.description }
        case 4: controller.trace = nil
        default: break
        }
        machine.enable(number(8) == 0 ? 1 : 5)
    }

    private func bus(_ base: UInt16) -> UInt16 { Machine.busMaster + (base == 0x170 ? 8 : 0) }
    private func width() -> Int { number(32) == 0 ? number(9) : [1, 2, 4][number(3)] }
    private func value() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) }
    private func number(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
