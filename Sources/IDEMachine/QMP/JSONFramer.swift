/// Cuts a stream into JSON values. Peers of QMP need not end a value with a newline, nor keep it on one
/// line, so the framer finds the tokens and counts brackets (docs/interop/qmp-spec.rst in QEMU's sources,
/// and qobject/json-lexer.c).
///
/// It looks at each byte once, and never holds more than ``lengthLimit`` bytes. After a byte that no JSON
/// text has, and after a value that is too long or too deep, the rest of the stream up to the next reset
/// byte is dropped: a control character such as the newline, FEh or FFh, as in QEMU.
struct JSONFramer {
    /// The next part of the stream.
    enum Frame {
        /// The text of one value. It is complete, but not checked beyond its tokens.
        case text([UInt8])
        /// Input that is not part of any value, and why.
        case refused(String)
    }

    /// The longest text of a value, in bytes.
    static let lengthLimit = 1 << 20
    /// The deepest nesting of arrays and objects.
    static let depthLimit = 32
    /// A text that needed more memory than this leaves none of it behind.
    private static let keptCapacity = 1 << 16

    private var text: [UInt8] = []
    private var depth = 0
    private var state = State.between

    private enum State: Equatable {
        /// Between two tokens.
        case between
        /// Inside a string that ends with the quote.
        case string(quote: UInt8)
        /// Behind a backslash in such a string.
        case escape(quote: UInt8)
        /// Inside a number or a literal name that began at this index of the text.
        case word(start: Int)
        /// Dropping what comes until the next reset byte.
        case skipping
    }

    /// Takes bytes off the stream up to the end of the next frame, and returns how many it has taken; there
    /// is no frame when it has taken all of them and needs more.
    mutating func next(_ bytes: UnsafeRawBufferPointer) -> (taken: Int, frame: Frame?) {
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if case .word(let start) = state, !Self.isWord(byte) {
                // The byte belongs to what follows the word.
                state = .between
                if let frame = endWord(from: start, at: byte) { return (index, frame) }
            }
            index += 1
            if let frame = take(byte) { return (index, frame) }
        }
        return (index, nil)
    }

    private mutating func take(_ byte: UInt8) -> Frame? {
        if state == .skipping {
            if Self.isReset(byte) { state = .between }
            return nil
        }
        if state == .between, depth == 0, Self.isBlank(byte) { return nil }
        guard text.count < Self.lengthLimit else {
            return refuse("a message is longer than \(Self.lengthLimit) bytes", at: byte)
        }
        text.append(byte)
        switch state {
        case .between: return begin(byte)
        case .string(let quote):
            // Control characters in strings are escaped (RFC 8259, 7).
            if byte < 0x20 || byte >= 0xfe { return refuse("invalid byte in a string", at: byte) }
            if byte == UInt8(ascii: "\\") {
                state = .escape(quote: quote)
            } else if byte == quote {
                state = .between
                return depth == 0 ? complete() : nil
            }
        case .escape(let quote):
            if byte < 0x20 || byte >= 0xfe { return refuse("invalid byte in a string", at: byte) }
            state = .string(quote: quote)
        case .word, .skipping: break
        }
        return nil
    }

    /// A byte outside strings and words.
    private mutating func begin(_ byte: UInt8) -> Frame? {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            guard depth <= Self.depthLimit else {
                return refuse("a message is nested more than \(Self.depthLimit) deep", at: byte)
            }
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            // Below zero it is a value that the parser refuses.
            if depth <= 0 { return complete() }
        case UInt8(ascii: ","), UInt8(ascii: ":"):
            if depth == 0 { return complete() }
        case UInt8(ascii: "\""), UInt8(ascii: "'"): state = .string(quote: byte)
        default:
            if Self.isWord(byte) {
                state = .word(start: text.count - 1)
            } else if !Self.isBlank(byte) {
                return refuse("invalid byte between tokens", at: byte)
            }
        }
        return nil
    }

    /// A word has ended before `byte`: the end of the value when nothing is around it.
    private mutating func endWord(from start: Int, at byte: UInt8) -> Frame? {
        guard JSONParser.isWord(text[start...]) else {
            return refuse("invalid number or literal name", at: byte)
        }
        return depth == 0 ? complete() : nil
    }

    private mutating func complete() -> Frame {
        let complete = text
        reset()
        return .text(complete)
    }

    private mutating func refuse(_ reason: String, at byte: UInt8) -> Frame {
        reset()
        state = Self.isReset(byte) ? .between : .skipping
        return .refused(reason)
    }

    private mutating func reset() {
        text.removeAll(keepingCapacity: text.capacity <= Self.keptCapacity)
        depth = 0
        state = .between
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d
    }

    private static func isReset(_ byte: UInt8) -> Bool { byte < 0x20 || byte >= 0xfe }

    /// The bytes of numbers and literal names.
    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
