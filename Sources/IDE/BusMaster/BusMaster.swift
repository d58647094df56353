/// The bus-master registers of a channel (SFF-8038i 3.0).
struct BusMaster {
    /// 3.1: bits 3 and 0.
    private(set) var command: UInt8 = 0
    /// 3.2
    private(set) var status: UInt8 = 0
    /// 3.3: where the descriptor table is, a multiple of 4.
    private(set) var table: UInt32 = 0

    /// Command register (3.1).
    enum Command {
        /// Bit 3: memory is written. The drive's command decides; it is only remembered.
        static let write: UInt8 = 1 << 3
        /// Bit 0.
        static let start: UInt8 = 1 << 0
    }

    /// Status register (3.2).
    enum Status {
        /// Bits 6 and 5: drive 1 and drive 0 are capable of DMA, as software says.
        static let capable: UInt8 = 0x60
        /// Bit 2.
        static let interrupt: UInt8 = 1 << 2
        /// Bit 1.
        static let error: UInt8 = 1 << 1
        /// Bit 0.
        static let active: UInt8 = 1 << 0
    }

    /// What a write to the command register means.
    enum Edge { case none, start, stop }

    /// A transfer was started, and has neither completed nor been stopped.
    var isActive: Bool { status & Status.active != 0 }

    /// The register at `offset` 0 to 7; reserved ones read FFh.
    func read(_ offset: Int) -> UInt8 {
        switch offset {
        case 0: command
        case 2: status
        case 4...7: UInt8(truncatingIfNeeded: table >> UInt32(8 * (offset - 4)))
        default: 0xFF
        }
    }

    /// A write of the command register. Only a change of bit 0 starts or stops.
    mutating func writeCommand(_ value: UInt8) -> Edge {
        let changed = (command ^ value) & Command.start
        command = value & (Command.write | Command.start)
        guard changed != 0 else { return .none }
        if value & Command.start != 0 {
            status |= Status.active
            return .start
        }
        status &= ~Status.active
        return .stop
    }

    /// Writing 1 clears bits 2 and 1; bits 6 and 5 keep what is written.
    mutating func writeStatus(_ value: UInt8) {
        status =
            value & Status.capable | status & Status.active
            | status & ~value & (Status.interrupt | Status.error)
    }

    mutating func writeTable(byte: Int, _ value: UInt8) {
        let shift = UInt32(8 * (byte & 3))
        table = table & ~(0xFF << shift) | UInt32(value) << shift
        table &= ~3
    }

    /// The drive has raised its interrupt.
    mutating func noteInterrupt() { status |= Status.interrupt }

    /// The transfer is complete.
    mutating func clearActive() { status &= ~Status.active }

    /// The transfer met an error in guest memory.
    mutating func noteError() { status |= Status.error }

    /// The registers after a reset.
    init() {}

    /// Registers with this content, but for bits that are always 0.
    init(command: UInt8, status: UInt8, table: UInt32) {
        self.command = command & (Command.write | Command.start)
        self.status =
            status & (Status.capable | Status.interrupt | Status.error | Status.active)
        self.table = table & ~3
    }
}
