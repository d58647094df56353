import Glibc
import IDE

/// QEMU's qtest protocol: each line a command, each answered by a line that begins with OK or FAIL,
/// in order. `IRQ raise N` and `IRQ lower N` come at any time, and those that a command causes come
/// before its answer.
final class QtestServer {
    private let machine: Machine
    private let connection: Connection
    private var isIntercepting = false
    /// The virtual clock in nanoseconds. Nothing depends on it: this machine has no timers.
    private var clock: Int64 = 0

    /// The longest line: ``QtestCommand/dataLimit`` bytes in hexadecimal, and the words before.
    private static let lineLimit = 2 * QtestCommand.dataLimit + 256
    /// The name that harnesses for PCs know the interrupt controller by.
    private static let interruptController = "ioapic"

    init(_ machine: Machine, _ connection: Connection) {
        self.machine = machine
        self.connection = connection
    }

    /// Carries out the commands that are there.
    func serve() throws {
        while !connection.isCongested, let line = connection.takeLine() {
            machine.poll()
            do throws(QtestError) {
                let result = try run(QtestCommand(parsing: line))
                connection.send(Array("OK".utf8) + (result.isEmpty ? [] : [0x20] + result) + [0x0a])
            } catch {
                connection.send("FAIL \(error)\n".utf8)
            }
        }
        if connection.unreadCount > Self.lineLimit && !connection.isCongested {
            throw QtestError("a line of more than \(Self.lineLimit) bytes")
        }
    }

    /// Tells the peer of a level, if it wants to know.
    func interrupt(_ number: Int, isRaised: Bool) {
        guard isIntercepting else { return }
        var line = Array((isRaised ? "IRQ raise " : "IRQ lower ").utf8)
        line += String(number).utf8
        line.append(0x0a)
        connection.send(line)
    }

    /// Carries out a command; the result is what stands behind OK.
    private func run(_ command: QtestCommand) throws(QtestError) -> [UInt8] {
        switch command {
        case .input(let port, let width):
            return hexadecimal(UInt64(machine.readPort(port, width: width)), digits: 4)
        case .output(let port, let width, let value):
            machine.writePort(port, width: width, value: value & .max >> UInt32(32 - 8 * width))
        case .load(let address, let width):
            var value: UInt64 = 0
            withUnsafeMutableBytes(of: &value) {
                machine.memory.read(at: address, into: .init(rebasing: $0[..<width]))
            }
            return hexadecimal(UInt64(littleEndian: value), digits: 16)
        case .store(let address, let width, let value):
            withUnsafeBytes(of: value.littleEndian) {
                machine.memory.write(at: address, from: .init(rebasing: $0[..<width]))
            }
        case .read(let address, let count, let text):
            var bytes = [UInt8](repeating: 0, count: count)
            bytes.withUnsafeMutableBytes { machine.memory.read(at: address, into: $0) }
            return text.encode(bytes)
        case .write(let address, let data):
            data.withUnsafeBytes { machine.memory.write(at: address, from: $0) }
        case .fill(let address, let count, let byte):
            machine.memory.fill(at: address, with: byte, count: count)
        case .intercept(let device):
            guard device == Self.interruptController else { throw QtestError("Unknown device") }
            intercept()
        case .clockStep(let nanoseconds):
            clock &+= nanoseconds ?? 0
            return Array(String(clock).utf8)
        case .clockSet(let nanoseconds):
            clock = nanoseconds
            return Array(String(clock).utf8)
        case .endianness: return Array("little".utf8)
        }
        return []
    }

    /// From now on the peer learns of levels, those that are high already at once.
    private func intercept() {
        guard !isIntercepting else { return }
        isIntercepting = true
        for number in machine.raisedInterrupts.sorted() { interrupt(number, isRaised: true) }
    }

    private func hexadecimal(_ value: UInt64, digits: Int) -> [UInt8] {
        let text = String(value, radix: 16)
        let zeroes = String(repeating: "0", count: max(0, digits - text.count))
        return Array("0x\(zeroes)\(text)".utf8)
    }
}
