import GuestMemory
import XCTest

@testable import TestSupport

/// DMA that would call back into the device that does it is refused.
final class ReentrancyTests: XCTestCase {
    /// A device with a mapper and registers of its own, beside the regions of ``Guest``.
    private struct ReentrantMachine {
        let guest: Guest
        let reentrancy = ReentrancyGuard()
        let mapper: DMAMapper
        let registers = ByteStore(size: 4096)
        static let own: GuestAddress = 0x60_0000
        static let flash: GuestAddress = 0x61_0000
        static let relay: GuestAddress = 0x62_0000

        init(bounceLimit: Int = 1 << 20, forceBounce: Bool = false) throws {
            guest = try Guest(bounceLimit: bounceLimit)
            try guest.space.map(
                .mmio(registers, size: 4096, reentrancy: reentrancy), at: Self.own)
            mapper = try DMAMapper(
                guest.space, reentrancy: reentrancy,
                options: DMAOptions(forceBounce: forceBounce))
        }
    }

    private func assertFault(
        _ code: GuestMemoryError.Code, at address: GuestAddress, _ result: DMAResult?,
        line: UInt = #line
    ) {
        guard case .fault(let error)? = result?.outcome else {
            return XCTFail("\(String(describing: result))", line: line)
        }
        XCTAssertEqual(error.code, code, line: line)
        XCTAssertEqual(error.address, address, line: line)
    }

    // MARK: Own registers

    func testOwnRegistersAreRefusedBeforeAnythingMoves() throws {
        let machine = try ReentrantMachine()
        let before = machine.guest.content
        for direction in [DMADirection.toDevice, .fromDevice] {
            var device = MemoryDevice(pattern(4096))
            let list = ScatterGatherList([(0x1000, 2048), (ReentrantMachine.own + 8, 2048)])
            let result = device.carryOut(list, direction, on: machine.mapper)
            assertFault(.reentrant, at: ReentrantMachine.own + 8, result)
            XCTAssertEqual(device.pieces.count, 0)
        }
        XCTAssertEqual(machine.registers.accesses, [])
        XCTAssertTrue(machine.guest.content == before)
        XCTAssertEqual(machine.mapper.statistics.active, 0)
    }

    /// Reads of it do not reach the device: `ROMDeviceTests`.
    func testOwnFlashIsNotWritten() throws {
        let machine = try ReentrantMachine()
        try machine.guest.space.map(
            .romDevice(
                machine.guest.flash, size: 4096, device: machine.registers,
                reentrancy: machine.reentrancy), at: ReentrantMachine.flash)
        var device = MemoryDevice(pattern(512))
        let list = ScatterGatherList([(ReentrantMachine.flash, 512)])
        assertFault(
            .reentrant, at: ReentrantMachine.flash,
            device.carryOut(list, .fromDevice, on: machine.mapper))
        XCTAssertEqual(machine.registers.accesses, [])
    }

    func testRegistersOfOthersAreNot() throws {
        let machine = try ReentrantMachine()
        let other = try DMAMapper(machine.guest.space, reentrancy: ReentrancyGuard())
        for mapper in [other, try DMAMapper(machine.guest.space)] {
            var device = MemoryDevice(pattern(64, seed: 5))
            let list = ScatterGatherList([(ReentrantMachine.own, 64)])
            XCTAssertEqual(device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success)
            assertBytes(Array(machine.registers.bytes[..<64]), device.medium)
        }
        XCTAssertNoThrow(try machine.guest.space.store(UInt32(1), at: ReentrantMachine.own))
        XCTAssertFalse(machine.reentrancy.isEntered)
    }

    func testTablesOfAnIOMMUInOwnRegistersAreRefused() throws {
        let machine = try ReentrantMachine()
        let iommu = try PageTableIOMMU(space: machine.guest.space, root: ReentrantMachine.own)
        let mapper = try DMAMapper(
            machine.guest.space, resolvers: [iommu], reentrancy: machine.reentrancy)
        var device = MemoryDevice(pattern(512))
        let list = ScatterGatherList([(0x1000, 512)])
        assertFault(.reentrant, at: 0x1000, device.carryOut(list, .toDevice, on: mapper))
        XCTAssertEqual(machine.registers.accesses, [])
        XCTAssertFalse(machine.reentrancy.isEntered)
    }

    // MARK: By way of another device

    func testAnotherDeviceCannotReachBack() throws {
        for direction in [DMADirection.toDevice, .fromDevice] {
            let machine = try ReentrantMachine()
            let space = machine.guest.space
            let relay = Relay { [reentrancy = machine.reentrancy] in
                XCTAssertTrue(reentrancy.isEntered)
                return (try? space.store(UInt32(7), at: ReentrantMachine.own)) != nil
                    || (try? space.load(at: ReentrantMachine.own, as: UInt32.self)) != nil
            }
            try space.map(.mmio(relay, size: 4096), at: ReentrantMachine.relay)
            var device = MemoryDevice(pattern(512))
            let list = ScatterGatherList([(0x1000, 256), (ReentrantMachine.relay + 4, 256)])
            let result = device.carryOut(list, direction, on: machine.mapper)
            assertFault(.deviceRefused, at: ReentrantMachine.relay + 4, result)
            XCTAssertEqual(relay.calls, 1)
            XCTAssertEqual(machine.registers.accesses, [])
            XCTAssertFalse(machine.reentrancy.isEntered)
            XCTAssertNoThrow(
                try space.store(UInt32(7), at: ReentrantMachine.own), "when all is over")
        }
    }

    func testTheErrorOfTheRefusedAccess() throws {
        let machine = try ReentrantMachine()
        let space = machine.guest.space
        let found = Locked<GuestMemoryError?>(nil)
        let relay = Relay {
            do throws(GuestMemoryError) {
                try space.store(UInt32(7), at: ReentrantMachine.own + 12)
            } catch {
                found.current = error
            }
            return true
        }
        try space.map(.mmio(relay, size: 4096), at: ReentrantMachine.relay)
        var device = MemoryDevice(pattern(4))
        let list = ScatterGatherList([(ReentrantMachine.relay, 4)])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: machine.mapper)?.outcome, .success)
        XCTAssertEqual(found.current?.code, .reentrant)
        XCTAssertEqual(found.current?.address, ReentrantMachine.own + 12)
    }

    /// A transfer within a transfer, by another of the device's mappers, must not open what the
    /// outer one has closed.
    func testTransfersNest() throws {
        let machine = try ReentrantMachine()
        let space = machine.guest.space
        let reentrancy = machine.reentrancy
        let isEnteredAfterwards = Locked(false)
        let relay = Relay {
            guard
                let queue = try? DMAMapper(
                    space, reentrancy: reentrancy, options: DMAOptions(forceBounce: true))
            else { return false }
            var device = MemoryDevice(pattern(64))
            let list = ScatterGatherList([(0x2000, 64)])
            let result = device.carryOut(list, .fromDevice, on: queue)
            isEnteredAfterwards.current = reentrancy.isEntered
            return result?.outcome == .success
                && (try? space.store(UInt32(1), at: ReentrantMachine.own)) == nil
        }
        try space.map(.mmio(relay, size: 4096), at: ReentrantMachine.relay)
        var device = MemoryDevice(pattern(8))
        let list = ScatterGatherList([(ReentrantMachine.relay, 8)])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: machine.mapper)?.outcome, .success)
        XCTAssertEqual(relay.calls, 2)
        XCTAssertTrue(isEnteredAfterwards.current)
        XCTAssertEqual(machine.registers.accesses, [])
    }

    /// What another device does with the transfer itself while its data is copied comes too late.
    func testATransferIsCancelledWhileItIsCopied() throws {
        let machine = try ReentrantMachine(bounceLimit: 512)
        let space = machine.guest.space
        let transfer = Locked<DMATransfer?>(nil)
        let relay = Relay {
            if let transfer = transfer.current { XCTAssertNil(transfer.cancel()) }
            return true
        }
        try space.map(.mmio(relay, size: 4096), at: ReentrantMachine.relay)
        let blocker = try machine.mapper.map(
            address: ReentrantMachine.relay, length: 512, .fromDevice)
        let list = ScatterGatherList([(ReentrantMachine.relay, 1024)])
        let (begun, step) = machine.mapper.begin(list, .toDevice)
        guard case .wait = step else { return XCTFail("\(step)") }
        transfer.current = begun
        try blocker.unmap(written: 0)
        var steps: [DMAStep] = []
        machine.mapper.resume { _, step in steps.append(step) }
        guard case .submit(let piece)? = steps.first, steps.count == 1 else {
            return XCTFail("\(steps)")
        }
        guard
            case .done(let result) = begun.pieceEnded(
                transferred: piece.length, isSuccess: true)
        else { return XCTFail("not cancelled") }
        XCTAssertEqual(result, DMAResult(.cancelled, 512))
        XCTAssertEqual(space.bouncePool.available, 512)
    }

    // MARK: Threads

    func testOtherThreadsAreNotConcerned() throws {
        let machine = try ReentrantMachine()
        let space = machine.guest.space
        let failures = Outcomes()
        let relay = Relay {
            let other = Worker {
                failures.record { try space.store(UInt32(7), at: ReentrantMachine.own) }
            }
            other.join()
            return true
        }
        try space.map(.mmio(relay, size: 4096), at: ReentrantMachine.relay)
        var device = MemoryDevice(pattern(4))
        let list = ScatterGatherList([(ReentrantMachine.relay, 4)])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: machine.mapper)?.outcome, .success)
        XCTAssertEqual(failures.errors.count, 0)
        XCTAssertEqual(machine.registers.accesses.count, 1)
    }

    /// Two queues of a device at work on two threads: the one that is done does not let the other's
    /// copies through.
    func testQueuesOfADeviceAreGuardedEachByItself() throws {
        let machine = try ReentrantMachine()
        let space = machine.guest.space
        let reentrancy = machine.reentrancy
        let relay = Relay {
            // While this one copies, another begins and ends.
            let other = Worker {
                let queue = try? DMAMapper(
                    space, reentrancy: reentrancy, options: DMAOptions(forceBounce: true))
                var device = MemoryDevice(pattern(64))
                let list = ScatterGatherList([(0x2000, 64)])
                guard let queue else { return XCTFail("no mapper") }
                XCTAssertEqual(device.carryOut(list, .toDevice, on: queue)?.outcome, .success)
            }
            other.join()
            return (try? space.store(UInt32(1), at: ReentrantMachine.own)) == nil
        }
        try space.map(.mmio(relay, size: 4096), at: ReentrantMachine.relay)
        var device = MemoryDevice(pattern(4))
        let list = ScatterGatherList([(ReentrantMachine.relay, 4)])
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: machine.mapper)?.outcome, .success)
        XCTAssertEqual(machine.registers.accesses, [])
    }
}

/// A device that does something else on every access, and refuses it when that fails.
private final class Relay: MMIODevice {
    private let body: @Sendable () -> Bool
    private let count = Locked(0)

    init(_ body: @escaping @Sendable () -> Bool) { self.body = body }

    /// How often it was called.
    var calls: Int { count.current }

    func read(offset: UInt64, width: Int) -> UInt64? {
        count.withLock { $0 += 1 }
        return body() ? 0 : nil
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        count.withLock { $0 += 1 }
        return body()
    }
}
