/// The arguments of this process as texts that keep every byte.
///
/// Arguments are bytes, and `CommandLine.arguments` replaces what is not UTF-8 by U+FFFD. Here each such byte
/// is a character of its own, from U+10FF80 for 80h to U+10FFFF for FFh, in a plane for private use. Bytes
/// of an argument that is UTF-8 and has such characters itself are written in the same way, so that no two
/// arguments are one text.
package enum RawArguments {
    /// Those behind the program's name.
    package static var ofThisProcess: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { argument in
                var bytes: [UInt8] = []
                var place = argument
                while place.pointee != 0 {
                    bytes.append(UInt8(bitPattern: place.pointee))
                    place += 1
                }
                return text(of: bytes)
            }
        }
    }

    private static let base: UInt32 = 0x10_ff00
    private static let characters: ClosedRange<UInt32> = base + 0x80...base + 0xff

    /// The text that stands for bytes.
    package static func text(of bytes: some Sequence<UInt8>) -> String {
        var text = String.UnicodeScalarView()
        var rest = Array(bytes)[...]
        while let byte = rest.first {
            var decoder = UTF8()
            var iterator = rest.makeIterator()
            if case .scalarValue(let scalar) = decoder.decode(&iterator),
                !characters.contains(scalar.value)
            {
                text.append(scalar)
                rest = rest.dropFirst(UTF8.width(scalar))
            } else {
                text.append(Unicode.Scalar(base + UInt32(byte)).unsafelyUnwrapped)
                rest = rest.dropFirst()
            }
        }
        return String(text)
    }

    /// The bytes that a text, or a part of one, stands for.
    package static func bytes(of text: some StringProtocol) -> [UInt8] {
        text.unicodeScalars.flatMap { scalar -> [UInt8] in
            characters.contains(scalar.value)
                ? [UInt8(truncatingIfNeeded: scalar.value)]
                : Array(UTF8.encode(scalar).unsafelyUnwrapped)
        }
    }
}
