import BlockIO
import BlockIOTesting
import Foundation
import Glibc
import GuestMemory

@testable import TestSupport
@testable import VirtioBlock

/// A machine with a ``VirtioMMIO`` at an address of its guest, and a driver that reaches it only there.
final class MMIOMachine {
    static let registers: GuestAddress = 0xD000_0000

    let ram: GuestRAM
    let space: AddressSpace
    let mmio: VirtioMMIO
    let rings: [RingDriver]
    let faults: FaultInjector
    private let region: MappedRegion
    private let board = Locked(Board())

    /// What the device has said.
    struct Board {
        var isRaised = false
        var raises = 0
        var polls = 0
        var stops = 0
    }

    var heard: Board { board.withLock { $0 } }

    init(
        _ image: BlockImage, queueCount: Int = 1, _ options: VirtioBlockOptions = .init(),
        ram: GuestRAM? = nil
    ) throws {
        let ram = try ram ?? GuestRAM(size: 8 << 20)
        self.ram = ram
        space = try AddressSpace(bounceLimit: 4096)
        try space.map(.ram(ram), at: 0)
        let faults = FaultInjector()
        self.faults = faults
        let device = try VirtioBlockDevice(image, queueCount: queueCount, options)
        var queues: [BlockQueue] = []
        for _ in 0..<queueCount {
            queues.append(
                try BlockQueue(image, QueueOptions(threading: .shared).checked(with: faults)))
        }
        let board = board
        mmio = try VirtioMMIO(device, queues, on: space) { signal in
            board.withLock { board in
                switch signal {
                case .interrupt(let isRaised):
                    precondition(isRaised != board.isRaised, "the line has that level already")
                    board.isRaised = isRaised
                    if isRaised { board.raises += 1 }
                case .poll: board.polls += 1
                case .stopMachine: board.stops += 1
                }
            }
        }
        rings = (0..<queueCount).map {
            RingDriver(ram, size: 64, at: 0x1_0000 + UInt64($0) * 0x10_0000, clears: false)
        }
        region = try space.map(
            .mmio(mmio, size: VirtioMMIO.size, reentrancy: mmio.reentrancy), at: Self.registers)
    }

    /// The space holds the device, and the device holds the space.
    deinit { try? space.unmap(region) }

    // MARK: Registers

    func read(_ offset: UInt64) -> UInt32 {
        (try? space.load(at: Self.registers &+ offset, as: UInt32.self)) ?? 0xBAD0_BAD0
    }

    func write(_ offset: UInt64, _ value: UInt32) {
        do {
            try space.store(value, at: Self.registers &+ offset)
        } catch {
            fatalError("\(error)")
        }
    }

    var status: UInt32 {
        get { read(0x70) }
        set { write(0x70, newValue) }
    }

    /// Negotiates, as Linux does; returns whether FEATURES_OK stays.
    func negotiate(_ features: UInt64? = nil) -> Bool {
        status = 0
        status = 1
        status = 3
        let features = features ?? mmio.device.offeredFeatures.rawValue
        for half: UInt32 in 0..<2 {
            write(0x24, half)
            write(0x20, UInt32(truncatingIfNeeded: features >> (32 * UInt64(half))))
        }
        status = 11
        return status & 8 != 0
    }

    /// Makes a ring and says where it is.
    func makeReady(_ index: Int) {
        rings[index].restart()
        describe(index, rings[index].layout)
    }

    /// Writes the place of a ring to the registers of its queue.
    func describe(_ index: Int, _ layout: VirtqueueLayout) {
        write(0x30, UInt32(index))
        write(0x38, UInt32(truncatingIfNeeded: layout.size))
        for (offset, address) in [
            (UInt64(0x80), layout.descriptors), (0x90, layout.available), (0xA0, layout.used),
        ] {
            write(offset, UInt32(truncatingIfNeeded: address.rawValue))
            write(offset + 4, UInt32(address.rawValue >> 32))
        }
        write(0x44, 1)
    }

    /// Everything up to DRIVER_OK.
    func start() throws {
        guard negotiate() else { throw FixtureError.failed("FEATURES_OK") }
        for index in rings.indices { makeReady(index) }
        status = 15
    }

    /// Calls `body` with the device on another thread, and waits for its end. Fails if it does not end.
    func onAnotherThread<Result: Sendable>(
        _ body: @escaping @Sendable (VirtioMMIO) -> Result
    ) throws -> Result {
        let result = Locked<Result?>(nil)
        // The thread has no reference that could outlive its answer.
        let device = Unmanaged.passRetained(mmio)
        Thread.detachNewThread {
            let value = device._withUnsafeGuaranteedRef { body($0) }
            result.withLock { $0 = value }
        }
        try eventually("the other thread has ended") { result.withLock { $0 != nil } }
        device.release()
        guard let value = result.withLock({ $0 }) else { throw FixtureError.failed("no result") }
        return value
    }

    // MARK: Requests

    func header(_ index: Int) -> UInt64 { 0x70_0000 + UInt64(64 * index) }
    func requestStatus(_ index: Int) -> UInt8 { rings[0].load(header(index) + 32, as: UInt8.self) }

    /// Adds a request to a ring, and notifies the device if it wants that.
    func add(
        _ type: UInt32, sector: UInt64 = 0, _ data: [RingDriver.Segment] = [], index: Int = 0,
        queue: Int = 0
    ) {
        let ring = rings[queue]
        ring.store(type, at: header(index))
        ring.store(sector, at: header(index) + 8)
        ring.store(VirtioStatus.untouched, at: header(index) + 32)
        ring.add(
            [.init(address: header(index), length: 16)] + data
                + [.init(address: header(index) + 32, length: 1, isWritable: true)])
        if ring.publish() { write(0x50, UInt32(queue)) }
    }

    /// Polls, as an I/O thread does, until `condition` holds.
    func poll(until condition: () -> Bool) throws {
        let end = ContinuousClock.now + Patience.limit
        while !condition() {
            guard ContinuousClock.now < end else { throw Stuck(outstanding: 1) }
            var entries = mmio.descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            _ = Glibc.poll(&entries, nfds_t(entries.count), 10)
            mmio.poll()
        }
    }

    /// Waits for the interrupt, and takes it back, as a driver does. Returns its reasons.
    @discardableResult
    func takeInterrupt() throws -> UInt32 {
        try poll { heard.isRaised }
        let reasons = read(0x60)
        write(0x64, reasons)
        return reasons
    }

    /// Runs one request.
    func run(
        _ type: UInt32, sector: UInt64 = 0, _ data: [RingDriver.Segment] = [], queue: Int = 0
    ) throws -> UInt8 {
        add(type, sector: sector, data, queue: queue)
        try takeInterrupt()
        guard rings[queue].reap().count == 1 else { throw FixtureError.failed("not used") }
        return requestStatus(0)
    }

    func bytes(at address: UInt64, _ count: Int) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: ram.base + Int(address), count: count))
    }
}
