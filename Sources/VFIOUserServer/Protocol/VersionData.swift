/// The JSON text in a version message ("VFIO_USER_VERSION"): one object, of which only the numbers
/// under `capabilities` are kept. The rest is checked and dropped.
struct VersionData {
    /// Whole numbers under `capabilities`, by name.
    private(set) var capabilities: [String: Int] = [:]

    private let text: [UInt8]
    private var place = 0

    private static let deepest = 16

    /// Parses `text`, without its terminating zero byte; `nil` when it is no JSON object.
    init?(_ text: [UInt8]) {
        self.text = text
        guard object(depth: 1, isCapabilities: false) else { return nil }
        skipSpace()
        guard place == text.count else { return nil }
    }

    // MARK: Values (RFC 8259)

    private mutating func object(depth: Int, isCapabilities: Bool) -> Bool {
        guard depth <= Self.deepest, take("{") else { return false }
        if take("}") { return true }
        repeat {
            guard let name = string(), take(":") else { return false }
            if depth == 1 && name == "capabilities" {
                guard object(depth: depth + 1, isCapabilities: true) else { return false }
            } else if isCapabilities, let number = wholeNumber() {
                capabilities[name] = number
            } else {
                guard value(depth: depth) else { return false }
            }
        } while take(",")
        return take("}")
    }

    private mutating func array(depth: Int) -> Bool {
        guard depth <= Self.deepest, take("[") else { return false }
        if take("]") { return true }
        repeat {
            guard value(depth: depth) else { return false }
        } while take(",")
        return take("]")
    }

    private mutating func value(depth: Int) -> Bool {
        skipSpace()
        switch peek() {
        case UInt8(ascii: "{"): return object(depth: depth + 1, isCapabilities: false)
        case UInt8(ascii: "["): return array(depth: depth + 1)
        case UInt8(ascii: "\""): return string() != nil
        case UInt8(ascii: "t"): return word("true")
        case UInt8(ascii: "f"): return word("false")
        case UInt8(ascii: "n"): return word("null")
        default: return number()
        }
    }

    /// The longest name that is kept, in bytes.
    private static let longestName = 64

    /// Characters are kept as they are written, escapes too: no name that is looked for has any. Of a name
    /// that is too long nothing is kept: to compare and to hash a text of combining marks takes a time that
    /// is not linear.
    private mutating func string() -> String? {
        guard take("\"") else { return nil }
        let start = place
        while let byte = peek() {
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                let count = place - 1 - start
                if count > Self.longestName { return "" }
                return String(decoding: text[start..<start + count], as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard peek() != nil else { return nil }
                place += 1
            case 0..<0x20: return nil
            default: break
            }
        }
        return nil
    }

    /// A number without fraction and exponent; takes nothing when there is another thing.
    private mutating func wholeNumber() -> Int? {
        skipSpace()
        let start = place
        guard number(), let number = Int(String(decoding: text[start..<place], as: UTF8.self))
        else {
            place = start
            return nil
        }
        return number
    }

    private mutating func number() -> Bool {
        skipSpace()
        if peek() == UInt8(ascii: "-") { place += 1 }
        guard digits() else { return false }
        if peek() == UInt8(ascii: ".") {
            place += 1
            guard digits() else { return false }
        }
        if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
            place += 1
            if peek() == UInt8(ascii: "-") || peek() == UInt8(ascii: "+") { place += 1 }
            guard digits() else { return false }
        }
        return true
    }

    private mutating func digits() -> Bool {
        let start = place
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            place += 1
        }
        return place > start
    }

    // MARK: Bytes

    private mutating func word(_ word: String) -> Bool {
        guard text[place...].starts(with: word.utf8) else { return false }
        place += word.utf8.count
        return true
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        // Inside a string, white space counts: only what begins one may be behind some.
        skipSpace()
        guard peek() == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private func peek() -> UInt8? { place < text.count ? text[place] : nil }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D {
            place += 1
        }
    }
}
