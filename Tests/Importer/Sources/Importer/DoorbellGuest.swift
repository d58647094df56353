import BlockDMA
import BlockIO
import Glibc
import GuestMemory
import Synchronization

/// A guest with a ``DoorbellDisk``, and what an emulator has around it: memory, an interrupt line, and what
/// its I/O thread waits for.
final class DoorbellGuest: Sendable {
    /// 1 MiB at address 0; the first page has the descriptors of each tag, 32 for each.
    let ram: GuestRAM
    let space: AddressSpace
    let disk: DoorbellDisk
    private let region: MappedRegion
    private let board = Board()
    private let queueDescriptor: CInt

    /// Where the registers of the disk are.
    static let registers: GuestAddress = 0x1000_0000

    init(_ queue: sending BlockQueue, policy: ErrorPolicy = .enospc) throws {
        ram = try GuestRAM(size: 1 << 20)
        space = try AddressSpace(bounceLimit: 4096)
        try space.map(.ram(ram), at: 0)
        queueDescriptor = queue.descriptor
        disk = try DoorbellDisk(
            queue, on: space, policy: policy, wake: { [board] in board.wake() },
            signal: { [board] in board.take($0) })
        region = try space.map(
            .mmio(disk, size: 24, reentrancy: disk.reentrancy), at: Self.registers)
    }

    /// The space holds the disk, as long as a transfer is under way too, and the disk holds the space.
    deinit {
        disk.shutDown()
        try? space.unmap(region)
    }

    /// The emulator's side: an interrupt line, and a pipe that makes a wake readable.
    private final class Board: Sendable {
        let state = Mutex((isRaised: false, stops: 0))
        let pipe: (reader: CInt, writer: CInt)

        init() {
            var ends = [CInt](repeating: -1, count: 2)
            guard Glibc.pipe(&ends) == 0 else { fatalError("pipe: \(errno)") }
            for end in ends {
                _ = fcntl(end, F_SETFL, O_NONBLOCK)
                _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            }
            pipe = (ends[0], ends[1])
        }

        deinit {
            Glibc.close(pipe.reader)
            Glibc.close(pipe.writer)
        }

        func wake() { _ = Glibc.write(pipe.writer, "w", 1) }

        func take(_ signal: DoorbellDisk.Signal) {
            state.withLock { state in
                switch signal {
                case .interrupt(let isRaised): state.isRaised = isRaised
                case .stopMachine: state.stops += 1
                }
            }
        }
    }

    var isInterruptRaised: Bool { board.state.withLock { $0.isRaised } }
    /// How often the disk has asked for the machine to be stopped.
    var stops: Int { board.state.withLock { $0.stops } }

    // MARK: The I/O thread

    /// Sleeps until there is something to poll, and polls; false when nothing came for so long.
    @discardableResult
    func serve(milliseconds: CInt) -> Bool {
        var entries = [queueDescriptor, board.pipe.reader].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        guard Glibc.poll(&entries, 2, milliseconds) > 0 else { return false }
        var bytes = [UInt8](repeating: 0, count: 64)
        _ = Glibc.read(board.pipe.reader, &bytes, bytes.count)
        disk.poll()
        return true
    }

    // MARK: The processor

    /// The status register: a bit for each tag that has ended, 8 bits further one for each that failed,
    /// and bit 31 while a reset is under way.
    func status() throws -> UInt32 { try space.load(at: Self.registers &+ 0x14, as: UInt32.self) }

    /// Clears bits of the status, or resets the disk by bit 31.
    func setStatus(_ value: UInt32) throws {
        try space.store(value, at: Self.registers &+ 0x14)
    }

    /// Writes a descriptor table to where those of `tag` are, and rings the doorbell.
    func ring(
        _ verb: UInt32, tag: Int = 0, sector: UInt32 = 0, _ stretches: [(UInt64, UInt32)] = []
    ) throws {
        let table = UInt64(tag) * 512
        for (index, stretch) in stretches.enumerated() {
            let place = Int(table) + 16 * index
            ram.base.storeBytes(of: stretch.0.littleEndian, toByteOffset: place, as: UInt64.self)
            ram.base.storeBytes(
                of: stretch.1.littleEndian, toByteOffset: place + 8, as: UInt32.self)
        }
        try ring(verb, tag: tag, sector: sector, table: table, count: UInt32(stretches.count))
    }

    /// Rings the doorbell for a table that is anywhere.
    func ring(_ verb: UInt32, tag: Int, sector: UInt32, table: UInt64, count: UInt32) throws {
        let values = [
            UInt32(truncatingIfNeeded: table), UInt32(table >> 32), count, sector,
            verb | UInt32(tag) << 8,
        ]
        for (index, value) in values.enumerated() {
            try space.store(value, at: Self.registers &+ UInt64(4 * index))
        }
    }

    /// Waits for the interrupt, and takes it back: which tags had ended, and which of them failed.
    func interrupted() throws -> (ended: UInt32, failed: UInt32) {
        while !isInterruptRaised {
            guard serve(milliseconds: 60_000) else { throw NothingCame() }
        }
        let status = try status()
        try setStatus(status & 0xFFFF)
        return (status & 0xFF, status >> 8 & 0xFF)
    }

    /// No interrupt for a minute.
    struct NothingCame: Error {}
}
