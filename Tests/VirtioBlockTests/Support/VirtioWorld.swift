import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import GuestMemory
@testable import TestSupport
@testable import VirtioBlock

/// A device with one virtqueue, its driver, and memory for requests.
final class VirtioWorld {
    /// What a test chooses.
    struct Options {
        var size = 64
        var features: VirtioFeatures?
        var device = VirtioBlockOptions()
        var hasEventIndex = true
        var starts = true
    }

    /// 8 MiB at address 0: rings from 10000h, requests from 80000h, data from 100000h.
    let ram: GuestRAM
    let space: AddressSpace
    let device: VirtioBlockDevice
    let queue: VirtioBlockQueue
    let driver: RingDriver
    let faults: FaultInjector

    static let data: UInt64 = 0x10_0000
    static let hole: UInt64 = 0x2000_0000

    init(
        _ image: BlockImage, threading: QueueThreading = .owned,
        faults: FaultInjector = FaultInjector(), _ options: Options = Options()
    ) throws {
        ram = try GuestRAM(size: 8 << 20)
        space = try AddressSpace(bounceLimit: 4096)
        try space.map(.ram(ram), at: 0)
        self.faults = faults
        device = try VirtioBlockDevice(image, options.device)
        var features = options.features ?? device.offeredFeatures
        if !options.hasEventIndex { features.remove(.eventIndex) }
        guard device.acceptFeatures(features) else { throw FixtureError.failed("features") }
        let queueOptions = QueueOptions(threading: threading).checked(with: faults)
        queue = try VirtioBlockQueue(device, BlockQueue(image, queueOptions), on: space)
        driver = RingDriver(ram, size: options.size, hasEventIndex: options.hasEventIndex)
        if options.starts { try queue.start(driver.layout) }
    }

    // MARK: Requests

    /// Where the header of the request number `index` is; the status is 32 bytes behind it.
    func header(_ index: Int) -> UInt64 { 0x8_0000 + UInt64(64 * index) }
    func statusPlace(_ index: Int) -> UInt64 { header(index) + 32 }
    /// The status byte of the request number `index`.
    func status(_ index: Int) -> UInt8 { driver.load(statusPlace(index), as: UInt8.self) }

    /// Adds a request of `data`. Its header and its status are those of number `index`.
    @discardableResult
    func add(
        _ type: UInt32, sector: UInt64 = 0, _ data: [RingDriver.Segment] = [], index: Int = 0,
        isIndirect: Bool = false
    ) -> UInt16 {
        writeHeader(type, sector: sector, index: index)
        return driver.add(
            [.init(address: header(index), length: 16)] + data
                + [.init(address: statusPlace(index), length: 1, isWritable: true)],
            isIndirect: isIndirect)
    }

    /// Writes a header, and a status that no device writes.
    func writeHeader(_ type: UInt32, sector: UInt64, index: Int = 0) {
        driver.store(type, at: header(index))
        driver.store(UInt32(0), at: header(index) + 4)
        driver.store(sector, at: header(index) + 8)
        driver.store(UInt8(0xEE), at: statusPlace(index))
    }

    /// One segment of data number `index`, for the device to write or to read.
    func segment(_ length: Int, isWritable: Bool, at address: UInt64 = data) -> RingDriver.Segment {
        .init(address: address, length: UInt32(length), isWritable: isWritable)
    }

    /// Runs one request, and returns its status and the length in the used ring.
    func run(
        _ type: UInt32, sector: UInt64 = 0, _ data: [RingDriver.Segment] = [],
        isIndirect: Bool = false
    ) throws -> (status: UInt8, length: UInt32) {
        let head = add(type, sector: sector, data, isIndirect: isIndirect)
        driver.publish()
        let used = try finish(1)
        guard used[0].head == head else { throw FixtureError.failed("another request was used") }
        return (status(0), used[0].length)
    }

    /// Writes a range of DISCARD or WRITE_ZEROES to the beginning of the data, and runs it.
    func runRange(
        _ type: UInt32, sector: UInt64, count: UInt32, flags: UInt32 = 0, length: Int = 16
    ) throws -> UInt8 {
        driver.store(sector, at: Self.data)
        driver.store(count, at: Self.data + 8)
        driver.store(flags, at: Self.data + 12)
        return try run(type, [segment(length, isWritable: false)]).status
    }

    // MARK: The host

    /// Sleeps until the descriptor of the queue is readable.
    func wait() throws {
        var entry = pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0)
        let end = ContinuousClock.now + Patience.limit
        while poll(&entry, 1, Patience.milliseconds) <= 0 {
            guard ContinuousClock.now < end else { throw Stuck(outstanding: 1) }
        }
    }

    /// Serves until the driver finds `count` used requests; the services are in `services`. Does not sleep if
    /// the queue `isPolling`.
    @discardableResult
    func finish(_ count: Int, isPolling: Bool = false) throws -> [(head: UInt16, length: UInt32)] {
        let end = ContinuousClock.now + Patience.limit
        var used: [(head: UInt16, length: UInt32)] = []
        services.append(queue.serve())
        used += driver.reap()
        while used.count < count {
            if isPolling {
                guard ContinuousClock.now < end else { throw Stuck(outstanding: count) }
            } else {
                try wait()
            }
            services.append(queue.serve())
            used += driver.reap()
        }
        return used
    }

    /// What ``finish(_:)`` was told.
    var services: [VirtioService] = []

    /// `count` bytes of the guest from `address` on.
    func bytes(at address: UInt64 = data, _ count: Int) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: ram.base + Int(address), count: count))
    }

    func fill(_ byte: UInt8, at address: UInt64 = data, _ count: Int) {
        memset(ram.base + Int(address), CInt(byte), count)
    }
}
