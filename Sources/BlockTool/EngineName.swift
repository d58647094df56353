import ArgumentParser
import BlockIO

/// The value of `--engine`.
struct EngineName: ExpressibleByArgument {
    let choice: EngineChoice

    init?(argument: String) {
        if argument == "auto" {
            choice = .auto
        } else if let kind = EngineKind(rawValue: argument) {
            choice = .forced(kind)
        } else {
            return nil
        }
    }

    init(_ choice: EngineChoice) { self.choice = choice }

    var defaultValueDescription: String { "auto" }

    static var allValueStrings: [String] { ["auto"] + EngineKind.allCases.map(\.rawValue) }
}
