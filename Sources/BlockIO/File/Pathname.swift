import Glibc

/// The path of a file as the kernel takes it: bytes in no particular encoding, none of them zero.
///
/// A path that comes from a command line or a directory need not be UTF-8, which a `String` always is. Where
/// the path is text, pass the text itself to ``BlockImage/open(_:_:)``; other paths go to
/// ``BlockImage/open(pathname:_:)``.
public struct Pathname: Sendable, Hashable {
    /// The bytes, without a zero behind them.
    public let bytes: [UInt8]

    /// The path that a text names, in UTF-8.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// The path that has these bytes, without a zero behind them.
    public init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }

    /// The path that a null-terminated string holds, such as an element of `CommandLine.unsafeArgv`.
    public init(cString: UnsafePointer<CChar>) {
        bytes = unsafe (0..<strlen(cString)).map { unsafe UInt8(bitPattern: cString[$0]) }
    }

    /// Calls `body` with the path as a null-terminated string, which is valid until `body` returns.
    public func withCString<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
        return unsafe try terminated.withUnsafeBufferPointer { buffer throws(Failure) in
            unsafe try body(buffer.baseAddress.unsafelyUnwrapped)
        }
    }

    /// No file has such a path, and the kernel would take the part before the zero for the path.
    var hasZero: Bool { bytes.contains(0) }
}

extension Pathname: CustomStringConvertible {
    /// For people: the path itself when it is UTF-8, otherwise as a shell takes it, with the other bytes in
    /// hexadecimal: `$'caf\xe9.img'`.
    public var description: String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var text = "$'"
        var rest = bytes[...]
        while let byte = rest.first {
            var decoder = UTF8()
            var iterator = rest.makeIterator()
            if case .scalarValue(let scalar) = decoder.decode(&iterator) {
                if scalar == "'" || scalar == "\\" { text.unicodeScalars.append("\\") }
                text.unicodeScalars.append(scalar)
                rest = rest.dropFirst(UTF8.width(scalar))
            } else {
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
                rest = rest.dropFirst()
            }
        }
        return text + "'"
    }
}
