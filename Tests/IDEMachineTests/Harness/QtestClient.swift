@testable import TestSupport

/// The harness's end of a qtest socket, in the manner of libqtest.
final class QtestClient {
    let socket: LineSocket
    /// Each `IRQ` line and each answer so far, in order.
    private(set) var transcript: [String] = []
    /// The interrupt lines that are high.
    private(set) var raised: Set<Int> = []
    /// How often each interrupt line was raised.
    private(set) var raiseCount: [Int: Int] = [:]

    init(_ socket: LineSocket) { self.socket = socket }

    /// Sends a command and returns what stands behind OK.
    @discardableResult
    func command(_ text: String) throws -> String {
        try send(text)
        return try success(of: text)
    }

    /// Sends a command and does not wait for its answer.
    func send(_ text: String) throws { try socket.send((text + "\n").utf8) }

    /// The next answer, which has to be OK.
    @discardableResult
    func success(of text: String) throws -> String {
        let answer = try answer()
        guard answer == "OK" || answer.hasPrefix("OK ") else {
            throw FixtureError.failed("\(text.prefix(80)): \(answer)")
        }
        return String(answer.dropFirst(3))
    }

    /// The next answer; the interrupts before it are noted.
    func answer() throws -> String {
        while let line = try socket.line() {
            transcript.append(line)
            let words = line.split(separator: " ")
            guard words.count == 3, words[0] == "IRQ", let number = Int(words[2]) else {
                return line
            }
            if words[1] == "raise" {
                raised.insert(number)
                raiseCount[number, default: 0] += 1
            } else {
                raised.remove(number)
            }
        }
        throw FixtureError.failed("the machine has closed the qtest socket")
    }

    func forgetTranscript() { transcript = [] }

    // MARK: Verbs

    private func number(_ command: String) throws -> UInt64 {
        let text = try self.command(command)
        guard text.hasPrefix("0x"), let number = UInt64(text.dropFirst(2), radix: 16) else {
            throw FixtureError.failed("\(command): \(text)")
        }
        return number
    }

    func input<Value: FixedWidthInteger>(_ port: UInt16, as type: Value.Type) throws -> Value {
        Value(truncatingIfNeeded: try number("in\(letter(type)) 0x\(hex(port))"))
    }

    func inb(_ port: UInt16) throws -> UInt8 { try input(port, as: UInt8.self) }
    func inw(_ port: UInt16) throws -> UInt16 { try input(port, as: UInt16.self) }
    func inl(_ port: UInt16) throws -> UInt32 { try input(port, as: UInt32.self) }

    func output<Value: FixedWidthInteger>(_ port: UInt16, _ value: Value) throws {
        try command("out\(letter(Value.self)) 0x\(hex(port)) 0x\(hex(value))")
    }

    func outb(_ port: UInt16, _ value: UInt8) throws { try output(port, value) }
    func outw(_ port: UInt16, _ value: UInt16) throws { try output(port, value) }
    func outl(_ port: UInt16, _ value: UInt32) throws { try output(port, value) }

    func load<Value: FixedWidthInteger>(_ address: UInt64, as type: Value.Type) throws -> Value {
        Value(truncatingIfNeeded: try number("read\(letter(type)) 0x\(hex(address))"))
    }

    func store<Value: FixedWidthInteger>(_ address: UInt64, _ value: Value) throws {
        try command("write\(letter(Value.self)) 0x\(hex(address)) 0x\(hex(value))")
    }

    func read(_ address: UInt64, _ count: Int) throws -> [UInt8] {
        try bytes(try command("read 0x\(hex(address)) \(count)"))
    }

    func write(_ address: UInt64, _ bytes: [UInt8]) throws {
        let digits = bytes.map { ($0 < 16 ? "0" : "") + hex($0) }.joined()
        try command("write 0x\(hex(address)) \(bytes.count) 0x\(digits)")
    }

    func fill(_ address: UInt64, _ count: Int, _ byte: UInt8) throws {
        try command("memset 0x\(hex(address)) \(count) 0x\(hex(byte))")
    }

    /// The bytes of an answer to `read`.
    func bytes(_ text: String) throws -> [UInt8] {
        let digits = Array(text.utf8)
        guard text.hasPrefix("0x"), digits.count % 2 == 0 else {
            throw FixtureError.failed("no hexadecimal data: \(text.prefix(80))")
        }
        return try stride(from: 2, to: digits.count, by: 2).map {
            let pair = String(decoding: digits[$0..<$0 + 2], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else {
                throw FixtureError.failed("no hexadecimal digits: \(pair)")
            }
            return byte
        }
    }

    private func letter<Value: FixedWidthInteger>(_ type: Value.Type) -> String {
        switch Value.bitWidth {
        case 8: "b"
        case 16: "w"
        case 32: "l"
        default: "q"
        }
    }
}

func hex(_ value: some BinaryInteger) -> String { String(value, radix: 16) }
