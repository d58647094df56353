import BlockHost
import Glibc
import IDE

/// QEMU's qtest protocol: each line a command, each answered by a line that begins with OK or FAIL,
/// in order. `IRQ raise N` and `IRQ lower N` come at any time, and those that a command causes come
/// before its answer.
final class QtestServer {
    private let machine: QtestMachine
    private let connection: Connection
    private var isIntercepting = false
    private var isServing = false
    /// The virtual clock in nanoseconds. Nothing depends on it: this machine has no timers.
    private var clock: Int64 = 0

    /// The longest line: ``QtestCommand/dataLimit`` bytes in hexadecimal, and the words before.
    private static let lineLimit = 2 * QtestCommand.dataLimit + 256

    init(_ machine: QtestMachine, _ connection: Connection) {
        self.machine = machine
        self.connection = connection
    }

    /// Carries out the commands that are there.
    func serve() throws {
        isServing = true
        while !connection.isCongested, let line = connection.takeLine() {
            machine.poll()
            do throws(QtestError) {
                let answer = try run(QtestCommand(parsing: line))
                connection.write { answer.write(to: &$0) }
            } catch {
                connection.write { $0.append("FAIL \(error)\n") }
            }
        }
        isServing = false
        // There are more lines: the peer's taking answers brings this back to them.
        if connection.isCongested { return }
        connection.flush()
        if connection.unreadCount > Self.lineLimit {
            throw QtestError("a line of more than \(Self.lineLimit) bytes")
        }
    }

    /// Tells the peer of a level, if it wants to know: at once, or with the answer of the command that
    /// is being carried out.
    func interrupt(_ number: Int, isRaised: Bool) {
        guard isIntercepting else { return }
        connection.write { output in
            output.append(isRaised ? "IRQ raise " : "IRQ lower ")
            if number >= 10 { output.append(UInt8(ascii: "0") + UInt8(number / 10)) }
            output.append(UInt8(ascii: "0") + UInt8(number % 10))
            output.append(UInt8(ascii: "\n"))
        }
        if !isServing { connection.flush() }
    }

    private func run(_ command: QtestCommand) throws(QtestError) -> QtestAnswer {
        switch command {
        case .input(let port, let width):
            return .number(UInt64(machine.readPort(port, width: width)), digits: 4)
        case .output(let port, let width, let value):
            machine.writePort(port, width: width, value: value & .max >> UInt32(32 - 8 * width))
        case .load(let address, let width):
            var value: UInt64 = 0
            withUnsafeMutableBytes(of: &value) {
                machine.memory.read(at: address, into: .init(rebasing: $0[..<width]))
            }
            return .number(UInt64(littleEndian: value), digits: 16)
        case .store(let address, let width, let value):
            withUnsafeBytes(of: value.littleEndian) {
                machine.memory.write(at: address, from: .init(rebasing: $0[..<width]))
            }
        case .read(let address, let count, let text):
            var bytes = [UInt8](repeating: 0, count: count)
            bytes.withUnsafeMutableBytes { machine.memory.read(at: address, into: $0) }
            let encoded = text.encode(bytes)
            return encoded.isEmpty ? .done : .bytes(encoded)
        case .write(let address, let data):
            data.withUnsafeBytes { machine.memory.write(at: address, from: $0) }
        case .fill(let address, let count, let byte):
            machine.memory.fill(at: address, with: byte, count: count)
        case .intercept: intercept()
        case .clockStep(let nanoseconds):
            clock &+= nanoseconds ?? 0
            return .text(String(clock))
        case .clockSet(let nanoseconds):
            clock = nanoseconds
            return .text(String(clock))
        case .endianness: return .text("little")
        }
        return .done
    }

    /// From now on the peer learns of levels, those that are high already at once.
    private func intercept() {
        guard !isIntercepting else { return }
        isIntercepting = true
        for number in 0..<16 where machine.raisedInterrupts & 1 << number != 0 {
            interrupt(number, isRaised: true)
        }
    }
}
