import GuestMemory

/// A command of QEMU's qtest protocol: a line of words between blanks
/// (docs/devel/testing/qtest.rst in QEMU's sources).
enum QtestCommand {
    /// `inb`, `inw`, `inl`.
    case input(port: UInt16, width: Int)
    /// `outb`, `outw`, `outl`.
    case output(port: UInt16, width: Int, value: UInt32)
    /// `readb` to `readq`.
    case load(address: GuestAddress, width: Int)
    /// `writeb` to `writeq`.
    case store(address: GuestAddress, width: Int, value: UInt64)
    /// `read`, `b64read`.
    case read(address: GuestAddress, count: Int, DataText)
    /// `write`, `b64write`.
    case write(address: GuestAddress, data: [UInt8])
    /// `memset`.
    case fill(address: GuestAddress, count: UInt64, byte: UInt8)
    /// `irq_intercept_in`, `irq_intercept_out`.
    case intercept
    /// `clock_step`; without a number up to the next timer.
    case clockStep(nanoseconds: Int64?)
    /// `clock_set`.
    case clockSet(nanoseconds: Int64)
    /// `endianness`.
    case endianness

    /// What one `read` or `write` moves at most: as much as one ATA command does, 65536 sectors. QEMU
    /// has no limit, and dies of it.
    static let dataLimit = 65536 * 512
    /// The name that harnesses for PCs know the interrupt controller by.
    private static let interruptController: StaticString = "ioapic"

    init(parsing line: UnsafeRawBufferPointer) throws(QtestError) {
        var words = QtestWords(line)
        let command = words.command
        switch command {
        case "inb", "inw", "inl":
            self = .input(port: try words.port(), width: Self.width(of: command))
        case "outb", "outw", "outl":
            let port = try words.port()
            self = .output(
                port: port, width: Self.width(of: command),
                value: UInt32(truncatingIfNeeded: try words.number("value")))
        case "readb", "readw", "readl", "readq":
            self = .load(address: try words.address(), width: Self.width(of: command))
        case "writeb", "writew", "writel", "writeq":
            let address = try words.address()
            self = .store(
                address: address, width: Self.width(of: command), value: try words.number("value"))
        case "read", "b64read":
            let address = try words.address()
            self = .read(
                address: address, count: try words.count(),
                "read" ~= command ? .hexadecimal : .base64)
        case "write", "b64write":
            let address = try words.address()
            let count = try words.count()
            let text: DataText = "write" ~= command ? .hexadecimal : .base64
            let data = try words.next("data")
            guard let bytes = text.decode(data, count: count) else {
                throw QtestError("the data is not \(text)")
            }
            self = .write(address: address, data: bytes)
        case "memset":
            let address = try words.address()
            let count = try words.number("size")
            self = .fill(
                address: address, count: count,
                byte: UInt8(truncatingIfNeeded: try words.number("value")))
        case "irq_intercept_in", "irq_intercept_out":
            guard Self.interruptController ~= (try words.next("device")) else {
                throw QtestError("Unknown device")
            }
            self = .intercept
        case "clock_step":
            self = .clockStep(
                nanoseconds: words.isAtEnd ? nil : Int64(clamping: try words.number("time")))
        case "clock_set": self = .clockSet(nanoseconds: Int64(clamping: try words.number("time")))
        case "endianness": self = .endianness
        default: throw QtestError("Unknown command '\(words.commandText)'")
        }
        guard words.isAtEnd else { throw QtestError("too many words for \(words.commandText)") }
    }

    private static func width(of command: QtestWord) -> Int {
        switch command.last {
        case UInt8(ascii: "b"): 1
        case UInt8(ascii: "w"): 2
        case UInt8(ascii: "l"): 4
        default: 8
        }
    }
}
