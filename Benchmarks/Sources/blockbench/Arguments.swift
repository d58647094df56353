import ArgumentParser
import BlockIO

/// Comma lists and their elements as the command line has them.
enum Arguments {
    /// "1,16,256", each element once, each understood by `element`.
    static func list<Element: Hashable>(
        _ text: String, _ element: (String) throws -> Element
    ) throws -> [Element] {
        var seen = Set<Element>()
        return try text.split(separator: ",", omittingEmptySubsequences: false)
            .map { try element(String($0)) }
            .filter { seen.insert($0).inserted }
    }

    static func engine(_ word: String) throws -> Contender {
        if word == "auto" { return .engine(.auto) }
        let names = EngineKind.allCases.map(\.rawValue) + ["auto"]
        return .engine(.forced(try known(EngineKind(rawValue: word), word, names)))
    }

    static func baseline(_ word: String) throws -> Contender {
        let baselines = [Contender.scalar, .serial, .bounce, .listIO]
        return try known(baselines.first { $0.name == word }, word, baselines.map(\.name))
    }

    static func pattern(_ word: String) throws -> Pattern {
        try known(Pattern(rawValue: word), word, Pattern.allCases.map(\.rawValue))
    }

    static func direct(_ word: String) throws -> Bool {
        switch word {
        case "on": true
        case "off": false
        default: throw ValidationError("'\(word)' is neither on nor off")
        }
    }

    /// 512 bytes to 1 GiB.
    static func blockSize(_ word: String) throws -> Int {
        guard let bytes = ByteSize.parse(word), (512...1 << 30).contains(bytes) else {
            throw ValidationError(
                "'\(word)' is not a number of bytes from 512 to 1g, such as 4096, 4k or 1m")
        }
        return bytes
    }

    /// The range of ``QueueOptions/depth``.
    static func depth(_ word: String) throws -> Int { try number(word, in: 1...4096) }

    /// Up to the longest list that a bus master of 32 MiB transfers in pages makes.
    static func vectors(_ word: String) throws -> Int { try number(word, in: 1...8192) }

    static func rounds(_ word: String) throws -> Int { try number(word, in: 1...1000) }

    /// A position in a target, or the length of a part of it.
    static func bytes(_ word: String) throws -> UInt64 {
        guard let bytes = ByteSize.parse(word) else {
            throw ValidationError("'\(word)' is not a number of bytes, such as 4096, 4k or 1g")
        }
        return UInt64(bytes)
    }

    /// As `bytes`, and at least 512.
    static func range(_ word: String) throws -> UInt64 {
        let bytes = try bytes(word)
        guard bytes >= 512 else {
            throw ValidationError("'\(word)' is less than 512 bytes")
        }
        return bytes
    }

    /// Up to a day.
    static func seconds(_ word: String) throws -> Double {
        guard let seconds = Double(word), seconds >= 0.01, seconds <= 86400 else {
            throw ValidationError("'\(word)' is not a number from 0.01 to 86400")
        }
        return seconds
    }

    private static func number(_ word: String, in range: ClosedRange<Int>) throws -> Int {
        guard let number = Int(word), range.contains(number) else {
            throw ValidationError(
                "'\(word)' is not a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    private static func known<Value>(
        _ value: Value?, _ word: String, _ names: [String]
    ) throws -> Value {
        guard let value else {
            throw ValidationError("'\(word)' is none of \(names.joined(separator: ", "))")
        }
        return value
    }
}
