import BlockATA
import BlockIO
import Glibc
import GuestMemory
import IDE

/// A guest that reads 128 KiB into 32 pieces of 4 KiB, as a driver does it.
final class Guest: IDEControllerDelegate {
    /// Registers of the primary channel (ATA/ATAPI-6 7.2), and of its bus master (SFF-8038i 3.0).
    private enum Port {
        static let count: UInt16 = 0x1F2
        static let lbaLow: UInt16 = 0x1F3
        static let lbaMid: UInt16 = 0x1F4
        static let lbaHigh: UInt16 = 0x1F5
        static let device: UInt16 = 0x1F6
        static let command: UInt16 = 0x1F7
        static let busMaster: UInt16 = 0xC000
    }

    private static let pieces = 32
    private static let pieceSize = 4096
    private static let table: UInt32 = 0x1000
    private static let data: UInt32 = 0x10_0000

    private let controller: IDEController
    /// Of the drive's queue, at an address of its own: what a guest costs is not to be counted.
    private let descriptor: UnsafeMutablePointer<pollfd>
    private var isRaised = false
    private(set) var interrupts = 0
    /// Commands that have not ended as they should.
    private(set) var failures = 0

    init(_ path: Pathname, _ engine: EngineKind, _ options: IDEOptions) throws {
        let space = try AddressSpace()
        let ram = try GuestRAM(size: 4 << 20)
        try space.map(.ram(ram), at: 0)
        ram.dirtyLog.start(.migration)
        controller = try IDEController(identity: .piix3, memory: space, options: options)
        let image = try BlockImage.open(pathname: path, OpenOptions(engine: .forced(engine)))
        try controller.attach(try ATADisk(image), to: .primaryMaster)
        descriptor = .allocate(capacity: 1)
        descriptor.initialize(
            to: pollfd(fd: controller.descriptors[0], events: Int16(POLLIN), revents: 0))
        controller.delegate = self
        controller.writeConfiguration(0x20, width: 4, value: UInt32(Port.busMaster))
        controller.writeConfiguration(0x04, width: 2, value: 5)
        // A page lies between two pieces; bit 31 ends the table.
        for index in 0..<Self.pieces {
            let last: UInt32 = index == Self.pieces - 1 ? 1 << 31 : 0
            let entry = [
                Self.data + UInt32(2 * index * Self.pieceSize), UInt32(Self.pieceSize) | last,
            ]
            try entry.withUnsafeBytes {
                try space.write(at: GuestAddress(Self.table) &+ UInt64(8 * index), from: $0)
            }
        }
        out(Port.busMaster + 4, Self.table, width: 4)
    }

    deinit { descriptor.deallocate() }

    /// What the engine was given so far.
    var hostRequests: UInt64 { controller.statistics(of: .primaryMaster)?.kernelRequests ?? 0 }

    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    ) {
        self.isRaised = isRaised
        if isRaised { interrupts += 1 }
    }

    func controller(_ controller: IDEController, driveEvent event: DriveEvent) { failures += 1 }

    /// READ DMA of 256 sectors, which waits for the bus master.
    func giveCommand() {
        out(Port.busMaster + 2, 0x06)
        out(Port.device, 0xE0)
        out(Port.count, 0)
        out(Port.lbaLow, 0)
        out(Port.lbaMid, 0)
        out(Port.lbaHigh, 0)
        out(Port.command, 0xC8)
    }

    /// Starts the bus master, and sleeps until there is something to do.
    @inline(never)
    func transfer() {
        out(Port.busMaster, 0x09)
        while !isRaised {
            poll(descriptor, 1, -1)
            controller.poll()
        }
    }

    /// What an interrupt handler does.
    func endCommand() {
        let status = controller.readPort(Port.busMaster + 2, width: 1)
        out(Port.busMaster, 0)
        let drive = controller.readPort(Port.command, width: 1)
        if status != 4 || drive != 0x50 { failures += 1 }
    }

    private func out(_ port: UInt16, _ value: UInt32, width: Int = 1) {
        controller.writePort(port, width: width, value: value)
    }
}
