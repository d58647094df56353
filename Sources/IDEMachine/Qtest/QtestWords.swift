import GuestMemory

/// The words of a qtest command, one after the other.
struct QtestWords {
    /// The first word: the name of the command.
    let command: QtestWord
    private var rest: QtestWord

    init(_ line: UnsafeRawBufferPointer) {
        rest = line.assumingMemoryBound(to: UInt8.self)
        command = Self.word(of: &rest)
    }

    /// For messages: the first 80 bytes, since a peer may send megabytes.
    var commandText: String { String(decoding: command.prefix(80), as: UTF8.self) }

    /// Whether there are no more.
    var isAtEnd: Bool {
        var rest = rest
        return Self.word(of: &rest).isEmpty
    }

    /// The next word, which is called `name` in messages.
    mutating func next(_ name: StaticString) throws(QtestError) -> QtestWord {
        let word = Self.word(of: &rest)
        guard !word.isEmpty else { throw QtestError("\(commandText) without \(name)") }
        return word
    }

    /// Takes the first word off; an empty one when there is none.
    private static func word(of text: inout QtestWord) -> QtestWord {
        guard let base = text.baseAddress else { return text }
        var start = 0
        while start < text.count, isBlank(base[start]) { start &+= 1 }
        var end = start
        while end < text.count, !isBlank(base[end]) { end &+= 1 }
        defer { text = UnsafeBufferPointer(start: base + end, count: text.count &- end) }
        return UnsafeBufferPointer(start: base + start, count: end &- start)
    }

    /// telnet(1) ends lines with CR LF.
    private static func isBlank(_ character: UInt8) -> Bool {
        character == UInt8(ascii: " ") || character == UInt8(ascii: "\r")
    }

    /// The next word as strtoull(3) with base 0 has it: 0x... is hexadecimal, 0... octal.
    mutating func number(_ name: StaticString) throws(QtestError) -> UInt64 {
        let word = try next(name)
        if let value = Self.unsigned(word) { return value }
        let text = String(decoding: word.prefix(80), as: UTF8.self)
        throw QtestError("\(name) '\(text)' of \(commandText) is not a number")
    }

    private static func unsigned(_ word: QtestWord) -> UInt64? {
        var place = 0
        var radix: UInt64 = 10
        if word.count > 1, word[0] == UInt8(ascii: "0") {
            let isHexadecimal = word[1] | 0x20 == UInt8(ascii: "x")
            radix = isHexadecimal ? 16 : 8
            place = isHexadecimal ? 2 : 1
        }
        if place == word.count { return nil }
        var value: UInt64 = 0
        while place < word.count {
            guard let digit = DataText.value(word[place]), digit < radix else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            if overflow || carry { return nil }
            value = sum
            place &+= 1
        }
        return value
    }

    /// The next word as a guest address.
    mutating func address() throws(QtestError) -> GuestAddress {
        GuestAddress(try number("address"))
    }

    /// The next word as a port: there are 65536.
    mutating func port() throws(QtestError) -> UInt16 {
        let number = try number("port")
        guard let port = UInt16(exactly: number) else {
            throw QtestError("there is no port \(number)")
        }
        return port
    }

    /// The next word as a number of bytes.
    mutating func count() throws(QtestError) -> Int {
        let number = try number("size")
        guard number <= QtestCommand.dataLimit else {
            throw QtestError("size \(number) is above \(QtestCommand.dataLimit)")
        }
        return Int(number)
    }
}
