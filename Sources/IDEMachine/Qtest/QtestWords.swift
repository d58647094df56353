/// The words of a qtest command, one after the other.
struct QtestWords {
    /// The first.
    let verb: String
    private var rest: ArraySlice<ArraySlice<UInt8>>

    init(_ line: [UInt8]) {
        // Those who type, or telnet(1), end lines with CR LF.
        let words = line.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }
        verb = String(decoding: words.first ?? [], as: UTF8.self)
        rest = words.dropFirst()
    }

    /// Whether there are no more.
    var isAtEnd: Bool { rest.isEmpty }

    /// The next word, which is called `name` in messages.
    mutating func next(_ name: String) throws(QtestError) -> ArraySlice<UInt8> {
        guard let word = rest.popFirst() else { throw QtestError("\(verb) without \(name)") }
        return word
    }

    /// The next word as strtoull(3) with base 0 has it: 0x... is hexadecimal, 0... octal.
    mutating func number(_ name: String) throws(QtestError) -> UInt64 {
        let word = try next(name)
        if let value = Self.unsigned(word) { return value }
        let text = String(decoding: word.prefix(80), as: UTF8.self)
        throw QtestError("\(name) '\(text)' of \(verb) is no number")
    }

    private static func unsigned(_ word: ArraySlice<UInt8>) -> UInt64? {
        var digits = word
        var radix: UInt64 = 10
        if word.count > 1, word.first == UInt8(ascii: "0") {
            let isHexadecimal = word[word.startIndex + 1] | 0x20 == UInt8(ascii: "x")
            radix = isHexadecimal ? 16 : 8
            digits = word.dropFirst(isHexadecimal ? 2 : 1)
        }
        if digits.isEmpty { return nil }
        var value: UInt64 = 0
        for character in digits {
            guard let digit = DataText.value(character), digit < radix else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: radix)
            let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
            if overflow || carry { return nil }
            value = sum
        }
        return value
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
