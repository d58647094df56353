import BlockDMA
import BlockIO
import CTestSupport
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// A guest that rewrites its lists and all of its memory while a device transfers over images: the
/// device reads the list once, checks the copy, and reaches nothing but what that names.
final class HostileGuestTests: ConformanceTestCase {
    /// The guest's memory, in the order of addresses, with a hole between the last two.
    private static let listBase: GuestAddress = 0
    private static let openBase: GuestAddress = 0x10000
    private static let closedBase: GuestAddress = 0x1_0000_0000
    private static let elements = 16
    private static let length: UInt64 = 32 << 10

    /// What the guest and the device share.
    private final class RewritingMachine: Sendable {
        /// The list is at its beginning, (address, length) pairs of 8 bytes each.
        let list: GuestRAM
        /// What the guest's lists may name, and it writes to.
        let open: GuestRAM
        /// What they never name, of zeroes.
        let closed: GuestRAM
        let space: AddressSpace
        let registers = ByteStore(size: 4096, keepsAccesses: false)
        static let registersBase: GuestAddress = 0x50000

        init() throws {
            list = try GuestRAM(size: 4096)
            open = try GuestRAM(size: 256 << 10)
            closed = try GuestRAM(size: 64 << 10)
            space = try AddressSpace(bounceLimit: 64 << 10)
            try space.map(.ram(list), at: listBase)
            try space.map(.ram(open), at: openBase)
            try space.map(.mmio(registers, size: 4096), at: Self.registersBase)
            try space.map(.ram(closed), at: closedBase)
            open.dirtyLog.start(.migration)
        }
    }

    /// Rewrites list and memory until it is told to stop, past the library, as a vCPU does.
    private static func disturb(
        _ machine: RewritingMachine, seed: UInt64, until isOver: Locked<Bool>
    ) {
        var random = SplitMix64(seed: seed)
        repeat {
            for _ in 0..<64 {
                let entry = machine.list.base + random.number(0...elements - 1) * 16
                cts_guest_store(entry, address(using: &random).rawValue)
                cts_guest_store(entry + 8, length(using: &random))
                let place = random.number(0...machine.open.size / 8 - 1) * 8
                cts_guest_store(machine.open.base + place, random.next())
            }
        } while !isOver.current
    }

    /// Mostly of memory that is open; some lead nowhere.
    private static func address(using random: inout SplitMix64) -> GuestAddress {
        switch random.number(0...99) {
        case 0: .max - UInt64(random.number(0...8192))
        case 1: openBase + 0x3_0000 + UInt64(random.number(0...0x40000))
        case 2...4: RewritingMachine.registersBase + UInt64(random.number(0...512))
        default:
            openBase + UInt64(random.number(0...0x3_0000)) & ~UInt64(random.number(0...511))
        }
    }

    private static func length(using random: inout SplitMix64) -> UInt64 {
        switch random.number(0...99) {
        case 0: random.next()
        case 1: 0
        case 2...20: UInt64(random.number(1...1500))
        default: UInt64(random.number(1...16)) * 512
        }
    }

    /// The device: reads the list, checks that sectors come out, transfers.
    private final class Device {
        let machine: RewritingMachine
        let mapper: DMAMapper
        let queue: BlockQueue
        private var list = ScatterGatherList(capacity: elements)
        var successes = 0
        var faults: Set<GuestMemoryError.Code> = []
        var outside = 0

        init(_ machine: RewritingMachine, _ queue: BlockQueue) throws {
            self.machine = machine
            self.queue = queue
            mapper = try DMAMapper(machine.space)
        }

        func transferOnce(_ direction: DMADirection) throws {
            list.removeAll()
            var entries = [UInt64](repeating: 0, count: 2 * elements)
            try entries.withUnsafeMutableBytes {
                try machine.space.read(at: listBase, into: $0)
            }
            // As a disk does, which knows how much its command is about.
            var left = length
            for index in 0..<elements where left > 0 {
                let length = Swift.min(entries[2 * index + 1], left)
                list.append(address: GuestAddress(entries[2 * index]), length: length)
                left -= length
            }
            if left > 0 { return }
            let (transfer, first) = mapper.begin(list, direction, unit: 512)
            var step = first
            while case .submit(let piece) = step {
                check(piece)
                queue.submit(piece, direction, at: piece.offset.rawValue, userData: 0)
                try queue.pollForOne {
                    step = transfer.pieceEnded(
                        transferred: $0.transferred, isSuccess: $0.isSuccess)
                }
            }
            guard case .done(let result) = step else {
                throw FixtureError.failed("waits for itself")
            }
            switch result.outcome {
            case .success: successes += 1
            case .fault(let error): faults.insert(error.code)
            case .deviceFailed, .cancelled: break
            }
        }

        /// What the kernel is given is open memory or the bounce buffer, whole.
        private func check(_ piece: DMAPiece) {
            for vector in piece.vectors where machine.open.offset(of: vector.iov_base) != nil {
                let rest = machine.open.base + machine.open.size - vector.iov_base!
                if vector.iov_len > rest { outside += 1 }
            }
            for forbidden in [machine.list, machine.closed] {
                for vector in piece.vectors where forbidden.offset(of: vector.iov_base) != nil {
                    outside += 1
                }
            }
        }
    }

    func testListsAndMemoryThatChangeUnderTransfers() throws {
        try forEachTarget(
            size: Int(Self.length),
            where: { $0.threading == .owned && $0.target != .ext4File && $0.target != .zram }
        ) { configuration, target in
            let machine = try RewritingMachine()
            let isOver = Locked(false)
            let seed = Seed.value
            Self.disturb(machine, seed: seed, until: Locked(true))
            let guests = (0..<2).map { number in
                Worker { Self.disturb(machine, seed: seed &+ UInt64(number), until: isOver) }
            }
            defer {
                isOver.current = true
                guests.forEach { $0.join() }
            }
            let image = try configuration.open(target)
            let queue = try configuration.queue(on: image, QueueOptions(maximumThreads: 4))
            let device = try Device(machine, queue)
            let end = ContinuousClock.now + Patience.limit
            var direction = DMADirection.fromDevice
            while device.successes < 50 * Rounds.count || device.faults.count < 2 {
                try device.transferOnce(direction)
                direction = direction == .toDevice ? .fromDevice : .toDevice
                guard ContinuousClock.now < end else { throw FixtureError.failed("too slow") }
            }
            XCTAssertEqual(device.outside, 0, "memory that no list may name")
            XCTAssertEqual(device.mapper.statistics.active, 0)
            XCTAssertEqual(machine.space.bouncePool.available, machine.space.bouncePool.size)
            XCTAssertTrue(machine.closed.bytes(0..<machine.closed.size).allSatisfy { $0 == 0 })
        }
    }
}
