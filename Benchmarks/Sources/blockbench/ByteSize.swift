/// Numbers of bytes as people write them: "4k" is 4096.
enum ByteSize {
    private static let units: [(suffix: String, shift: Int)] = [("k", 10), ("m", 20), ("g", 30)]

    /// From "512", "4k", "1m", "1g", in either case; `nil` when it is nothing like that.
    static func parse(_ text: String) -> Int? {
        let lowercase = text.lowercased()
        let unit = units.first { lowercase.hasSuffix($0.suffix) }
        let digits = unit == nil ? lowercase[...] : lowercase.dropLast()
        guard let number = Int(digits), number >= 0, digits.allSatisfy(\.isNumber) else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << (unit?.shift ?? 0))
        return overflow ? nil : bytes
    }

    /// The shortest exact form, as on the command line: "4k", "1m", "1536".
    static func text(_ bytes: Int) -> String {
        let unit = units.last { bytes != 0 && bytes % (1 << $0.shift) == 0 }
        return unit.map { "\(bytes >> $0.shift)\($0.suffix)" } ?? "\(bytes)"
    }

    /// For sentences, with three digits or so: "64 MiB", "1.5 GiB", "1536 bytes".
    static func amount(_ bytes: UInt64) -> String {
        let names = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        guard bytes >= 10240 else { return "\(bytes) bytes" }
        var value = Double(bytes) / 1024
        var index = 0
        while value >= 1024 {
            value /= 1024
            index += 1
        }
        let rounded = (value * 10).rounded() / 10
        let digits = rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
        return "\(digits) \(names[index])"
    }
}
