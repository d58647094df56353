import Glibc

/// Parses the text of one JSON value (RFC 8259), with QEMU's extensions: strings in single quotes,
/// and an escaped single quote. Of equal names in an object there may be only one, as in QEMU.
///
/// It looks at each byte once. The caller limits length and depth, see ``JSONFramer``.
struct JSONParser {
    private let text: UnsafeBufferPointer<UInt8>
    private var place = 0

    /// The value that the text says; throws what is wrong with it.
    static func parse(_ text: [UInt8]) throws(QMPError) -> JSONValue {
        // Typed errors do not pass through the closure.
        let result = text.withUnsafeBufferPointer { text -> Result<JSONValue, QMPError> in
            var parser = JSONParser(text: text)
            do throws(QMPError) {
                let value = try parser.value()
                parser.skipBlanks()
                guard parser.place == text.count else { throw parser.error("extra characters") }
                return .success(value)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Whether the bytes have the form of a literal name or a number.
    static func isWord(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.withUnsafeBufferPointer { word in
            if word.allSatisfy({ (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }) {
                return true
            }
            var parser = JSONParser(text: word)
            return parser.numberForm() != nil && parser.place == word.count
        }
    }

    private init(text: UnsafeBufferPointer<UInt8>) { self.text = text }

    private func error(_ reason: String) -> QMPError { .generic("JSON parse error, \(reason)") }

    // MARK: Values

    private mutating func value() throws(QMPError) -> JSONValue {
        skipBlanks()
        guard let first = peek else { throw error("expecting value") }
        switch first {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return .string(try string())
        case UInt8(ascii: "a")...UInt8(ascii: "z"): return try literal()
        default: return try number()
        }
    }

    private mutating func object() throws(QMPError) -> JSONValue {
        place += 1
        var members: [JSONName: JSONValue] = [:]
        if take("}") { return .object(members) }
        repeat {
            skipBlanks()
            guard peek == UInt8(ascii: "\"") || peek == UInt8(ascii: "'") else {
                throw error("key is not a string in object")
            }
            let name = JSONName(try string())
            guard take(":") else { throw error("missing : in object pair") }
            guard members.updateValue(try value(), forKey: name) == nil else {
                throw error("duplicate key")
            }
        } while take(",")
        guard take("}") else { throw error("expected separator in dict") }
        return .object(members)
    }

    private mutating func array() throws(QMPError) -> JSONValue {
        place += 1
        var elements: [JSONValue] = []
        if take("]") { return .array(elements) }
        repeat { elements.append(try value()) } while take(",")
        guard take("]") else { throw error("expected separator in list") }
        return .array(elements)
    }

    private mutating func literal() throws(QMPError) -> JSONValue {
        let literals: [(StaticString, JSONValue)] = [
            ("true", true), ("false", false), ("null", .null),
        ]
        let start = place
        while let byte = peek, (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) { place += 1 }
        let word = UnsafeBufferPointer(rebasing: text[start..<place])
        for (name, value) in literals where name ~= word { return value }
        throw error("expecting value")
    }

    // MARK: Numbers

    private mutating func number() throws(QMPError) -> JSONValue {
        let start = place
        guard let isWhole = numberForm() else { throw error("expecting value") }
        let digits = String(decoding: text[start..<place], as: UTF8.self)
        if isWhole {
            if let value = Int64(digits) { return .integer(value) }
            if let value = UInt64(digits) { return .unsigned(value) }
        }
        guard let value = Double(digits), value.isFinite else { throw error("number out of range") }
        return .number(value)
    }

    /// Takes what has the form of a number; whether it has neither fraction nor exponent, or `nil`
    /// when there is none.
    private mutating func numberForm() -> Bool? {
        if peek == UInt8(ascii: "-") { place += 1 }
        if peek == UInt8(ascii: "0") {
            // Nothing is behind a leading zero.
            place += 1
        } else {
            guard digits() else { return nil }
        }
        var isWhole = true
        if peek == UInt8(ascii: ".") {
            place += 1
            guard digits() else { return nil }
            isWhole = false
        }
        if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
            place += 1
            if peek == UInt8(ascii: "-") || peek == UInt8(ascii: "+") { place += 1 }
            guard digits() else { return nil }
            isWhole = false
        }
        return isWhole
    }

    /// Takes digits; whether there is one.
    private mutating func digits() -> Bool {
        let start = place
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
        return place > start
    }

    // MARK: Strings

    private mutating func string() throws(QMPError) -> String {
        let quote = text[place]
        place += 1
        var bytes: [UInt8] = []
        while let byte = peek {
            place += 1
            switch byte {
            case quote:
                guard let string = String(validating: bytes, as: UTF8.self) else {
                    throw error("invalid UTF-8 sequence in string")
                }
                return string
            case UInt8(ascii: "\\"): bytes += try escaped()
            default: bytes.append(byte)
            }
        }
        throw error("string without an end")
    }

    /// What stands behind a backslash, in UTF-8.
    private mutating func escaped() throws(QMPError) -> [UInt8] {
        let escape = peek
        place += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"), UInt8(ascii: "/"):
            return [text[place - 1]]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return try escapedCharacter()
        default: throw error("invalid escape sequence in string")
        }
    }

    /// Four hexadecimal digits, or twice four for a character beyond FFFFh (RFC 8259, 7).
    private mutating func escapedCharacter() throws(QMPError) -> [UInt8] {
        var code = try hexadecimal()
        if (0xd800...0xdbff).contains(code), peek == UInt8(ascii: "\\"), place + 1 < text.count,
            text[place + 1] == UInt8(ascii: "u")
        {
            place += 2
            let low = try hexadecimal()
            guard (0xdc00...0xdfff).contains(low) else { throw error("invalid surrogate pair") }
            code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw error("invalid surrogate pair") }
        return Array(String(scalar).utf8)
    }

    private mutating func hexadecimal() throws(QMPError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = peek.flatMap(DataText.value) else {
                throw error("invalid hex escape sequence in string")
            }
            code = code << 4 | UInt32(digit)
            place += 1
        }
        return code
    }

    // MARK: Bytes

    private var peek: UInt8? { place < text.count ? text[place] : nil }

    /// Takes a structural character behind blanks, if it is there.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard peek == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func skipBlanks() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
            place += 1
        }
    }
}
