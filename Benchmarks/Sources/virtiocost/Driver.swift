import BlockIO
import Glibc
import GuestMemory
import VirtioBlock

/// A driver that reads 4 KiB with each request, and adds a number of requests to its ring at a time.
final class Driver {
    private static let size = 256
    private static let descriptors: UInt64 = 0x1000
    private static let available: UInt64 = 0x2000
    private static let used: UInt64 = 0x3000
    private static let headers: UInt64 = 0x4000
    private static let tables: UInt64 = 0x8000
    private static let data: UInt64 = 0x10_0000
    /// VIRTQ_DESC_F_NEXT, VIRTQ_DESC_F_WRITE, VIRTQ_DESC_F_INDIRECT.
    private static let (next, write, indirect): (UInt16, UInt16, UInt16) = (1, 2, 4)

    private let queue: VirtioBlockQueue
    private let memory: UnsafeMutableRawPointer
    private let ram: GuestRAM
    private let depth: Int
    /// At an address of its own: what a guest costs is not to be counted.
    private let entry: UnsafeMutablePointer<pollfd>
    private var index: UInt16 = 0
    private(set) var interrupts = 0

    /// `depth` requests in tables, as Linux makes them, or in three descriptors of the ring.
    init(_ path: Pathname, _ engine: EngineKind, depth: Int, usesTables: Bool) throws {
        let space = try AddressSpace()
        ram = try GuestRAM(size: 8 << 20)
        try space.map(.ram(ram), at: 0)
        memory = ram.base
        let image = try BlockImage.open(pathname: path, OpenOptions(engine: .forced(engine)))
        let device = try VirtioBlockDevice(image)
        guard device.acceptFeatures(device.offeredFeatures) else { fatalError("features") }
        queue = try VirtioBlockQueue(device, BlockQueue(image), on: space)
        self.depth = depth
        entry = .allocate(capacity: 1)
        entry.initialize(
            to: pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0))
        for request in 0..<depth { describe(request, usesTables) }
        try queue.start(
            VirtqueueLayout(
                size: Self.size, descriptors: GuestAddress(Self.descriptors),
                available: GuestAddress(Self.available), used: GuestAddress(Self.used)))
    }

    deinit { entry.deallocate() }

    /// Requests that have not ended as they should.
    var failures: UInt64 { queue.statistics.failures }

    /// Adds all requests, and sleeps until they are done.
    func addBatch() {
        for request in 0..<depth {
            let place = Int(Self.available) + 4 + 2 * ((Int(index) + request) & 255)
            memory.storeBytes(of: UInt16(4 * request), toByteOffset: place, as: UInt16.self)
        }
        index &+= UInt16(depth)
        memory.storeBytes(of: index, toByteOffset: Int(Self.available) + 2, as: UInt16.self)
        // An interrupt when all are done.
        memory.storeBytes(
            of: index &- 1, toByteOffset: Int(Self.available) + 4 + 2 * Self.size, as: UInt16.self)
        serve()
        while memory.load(fromByteOffset: Int(Self.used) + 2, as: UInt16.self) != index {
            poll(entry, 1, -1)
            serve()
        }
    }

    /// What is counted.
    @inline(never)
    func serve() {
        if queue.serve(raiseInterrupt: { interrupts += 1 }).isInterruptDue { interrupts += 1 }
    }

    /// Request number `request` has the descriptors from 4 * `request` on.
    private func describe(_ request: Int, _ usesTables: Bool) {
        let header = Self.headers + UInt64(64 * request)
        memory.storeBytes(of: UInt64(0), toByteOffset: Int(header), as: UInt64.self)
        memory.storeBytes(
            of: UInt64(8 * request), toByteOffset: Int(header) + 8, as: UInt64.self)
        let table = usesTables ? Self.tables + UInt64(64 * request) : Self.descriptors
        let first = usesTables ? 0 : 4 * request
        write(first, table, header, 16, Self.next, first + 1)
        write(
            first + 1, table, Self.data + UInt64(8192 * request), 4096, Self.next | Self.write,
            first + 2)
        write(first + 2, table, header + 32, 1, Self.write, 0)
        if usesTables { write(4 * request, Self.descriptors, table, 48, Self.indirect, 0) }
    }

    private func write(
        _ index: Int, _ table: UInt64, _ address: UInt64, _ length: UInt32, _ flags: UInt16,
        _ next: Int
    ) {
        let place = Int(table) + 16 * index
        memory.storeBytes(of: address, toByteOffset: place, as: UInt64.self)
        memory.storeBytes(of: length, toByteOffset: place + 8, as: UInt32.self)
        memory.storeBytes(of: flags, toByteOffset: place + 12, as: UInt16.self)
        memory.storeBytes(of: UInt16(next), toByteOffset: place + 14, as: UInt16.self)
    }
}
