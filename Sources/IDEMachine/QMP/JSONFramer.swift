/// Cuts a stream into JSON objects. Peers of QMP need not end them with a newline, nor keep them on
/// one line, so brackets are counted (docs/interop/qmp-spec.rst in QEMU's sources, 2.4).
struct JSONFramer {
    /// The next thing in the stream.
    enum Frame {
        /// As many closing brackets as opening ones.
        case text([UInt8])
        /// What cannot be part of one; skipped to the end of its line.
        case garbage
    }

    /// What an object may be long, and how deeply nested; more is garbage.
    private static let lengthLimit = 64 << 20
    private static let depthLimit = 512

    private var text: [UInt8] = []
    private var depth = 0
    private var quote: UInt8?
    private var isEscaped = false
    private var isSkipping = false

    /// Takes in bytes and hands out what they complete.
    mutating func take(_ bytes: [UInt8], _ body: (Frame) -> Void) {
        for byte in bytes {
            if isSkipping {
                isSkipping = byte != UInt8(ascii: "\n")
                continue
            }
            if depth == 0 && Self.isBlank(byte) { continue }
            text.append(byte)
            if let frame = advance(byte) {
                if case .garbage = frame { isSkipping = byte != UInt8(ascii: "\n") }
                text.removeAll()
                depth = 0
                quote = nil
                isEscaped = false
                body(frame)
            }
        }
    }

    private mutating func advance(_ byte: UInt8) -> Frame? {
        if text.count > Self.lengthLimit { return .garbage }
        if let end = quote {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == end {
                quote = nil
            } else if byte == UInt8(ascii: "\n") {
                // Control characters in strings are escaped (RFC 8259, 7).
                return .garbage
            }
            return nil
        }
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            return depth > Self.depthLimit ? .garbage : nil
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            return depth > 0 ? nil : depth < 0 ? .garbage : .text(text)
        case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
        default: break
        }
        return depth == 0 ? .garbage : nil
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        [0x20, 0x09, 0x0a, 0x0d].contains(byte)
    }
}
