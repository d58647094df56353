import BlockHost

/// The part of an answer after OK.
enum QtestAnswer {
    /// Nothing.
    case done
    /// Hexadecimal, with at least so many digits.
    case number(UInt64, digits: Int)
    case text(String)
    case bytes([UInt8])

    /// The whole line.
    func write(to output: inout ByteQueue) {
        output.append("OK")
        if case .done = self {} else { output.append(UInt8(ascii: " ")) }
        switch self {
        case .done: break
        case .number(let value, let digits): output.append(hexadecimal: value, digits: digits)
        case .text(let text): output.append(text)
        case .bytes(let bytes): bytes.withUnsafeBytes { output.append($0) }
        }
        output.append(UInt8(ascii: "\n"))
    }
}
