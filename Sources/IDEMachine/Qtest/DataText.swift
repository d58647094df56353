import FoundationEssentials

/// How bytes are written in a qtest command.
enum DataText: CustomStringConvertible {
    /// 0x, then two digits a byte.
    case hexadecimal
    /// RFC 4648, section 4.
    case base64

    var description: String {
        switch self {
        case .hexadecimal: "hexadecimal behind 0x"
        case .base64: "base64"
        }
    }

    func encode(_ bytes: [UInt8]) -> [UInt8] {
        switch self {
        case .hexadecimal:
            var text = Array("0x".utf8)
            text.reserveCapacity(2 + 2 * bytes.count)
            for byte in bytes {
                text.append(Self.digit(byte >> 4))
                text.append(Self.digit(byte & 15))
            }
            return text
        case .base64: return Array(Data(bytes).base64EncodedData())
        }
    }

    /// `count` bytes: what the text has too few are zeroes in hexadecimal, and missing in base64;
    /// what it has too many are ignored (qtest.rst, `write` and `b64write`).
    func decode(_ text: QtestWord, count: Int) -> [UInt8]? {
        switch self {
        case .hexadecimal:
            guard text.starts(with: "0x".utf8) else { return nil }
            let digits = text.dropFirst(2)
            var bytes = [UInt8](repeating: 0, count: count)
            var place = digits.startIndex
            for index in 0..<min(count, digits.count / 2) {
                guard let high = Self.value(digits[place]), let low = Self.value(digits[place + 1])
                else { return nil }
                bytes[index] = high << 4 | low
                place += 2
            }
            return digits.allSatisfy { Self.value($0) != nil } ? bytes : nil
        case .base64:
            return Data(base64Encoded: Data(buffer: text)).map { Array($0.prefix(count)) }
        }
    }

    static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }

    /// Of a hexadecimal digit.
    static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
