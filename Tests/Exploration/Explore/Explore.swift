import BlockIO
import CFakeKernel
import CommandLineSupport
import Exploration
import Glibc

/// Explores the queue over an engine and reports; exit status 1 after a violation.
@main
struct Explore {
    static let usage = """
        usage: explore [--engine NAME] [--layout NAME] [--requests N] [--faults N] [--partial] [--depth N]
                       [--styles few|all] [--part I/N] [--all-kinds]
                       [--own-errors] [--program TEXT [--decisions N,N,...]]
               explore --version
        """

    static func main() {
        StandardDescriptors.occupy()
        // A closed pipe is an error of the call that meets it.
        signal(SIGPIPE, SIG_IGN)
        fake_keep_memory()
        // A run that cannot be left leaks its descriptors.
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            limit.rlim_cur = limit.rlim_max
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        }
        do {
            var arguments = Arguments(CommandLine.arguments.dropFirst())
            try arguments.parse()
            if arguments.asksForVersion { return print(PackageVersion.current) }
            exit(try arguments.run() ? 0 : 1)
        } catch let error as OutputError {
            StandardError.write("explore: \(error)\n")
            exit(1)
        } catch {
            StandardError.write("\(error)\n")
            exit(2)
        }
    }
}

private struct UsageError: Error, CustomStringConvertible {
    let description: String
}

private struct Arguments {
    private var words: [String]
    private var options = Exploration.Options()
    private var layouts = Layout.all
    private var subject = Subject.model
    private var program: String?
    private var choices: [Int]?
    private(set) var asksForVersion = false

    init(_ words: ArraySlice<String>) { self.words = words.reversed() }

    mutating func parse() throws {
        while let word = words.popLast() {
            switch word {
            case "--engine": subject = try named(Subject.all, \.name)
            case "--layout": layouts = [try named(Layout.all, \.name)]
            case "--requests": options.requests = try number(1...8)
            case "--faults": options.faults = try number(0...8)
            case "--depth": options.depth = try number(1...64)
            case "--partial": options.isPartial = true
            case "--styles": options.hasAllStyles = try value() == "all"
            case "--all-kinds": options.findsAllKinds = true
            case "--own-errors": options.eatsDurableErrors = false
            case "--program": program = try value()
            case "--decisions": choices = try value().split(separator: ",").compactMap { Int($0) }
            case "--version": asksForVersion = true
            case "--part":
                let parts = try value().split(separator: "/").compactMap { Int($0) }
                guard parts.count == 2, parts[1] > 0, (0..<parts[1]).contains(parts[0]) else {
                    throw UsageError(description: Explore.usage)
                }
                (options.part, options.parts) = (parts[0], parts[1])
            default: throw UsageError(description: Explore.usage)
            }
        }
    }

    private mutating func value() throws -> String {
        guard let word = words.popLast() else { throw UsageError(description: Explore.usage) }
        return word
    }

    private mutating func number(_ range: ClosedRange<Int>) throws -> Int {
        guard let number = Int(try value()), range.contains(number) else {
            throw UsageError(description: Explore.usage)
        }
        return number
    }

    private mutating func named<Item>(_ items: [Item], _ name: KeyPath<Item, String>) throws -> Item
    {
        let word = try value()
        guard let item = items.first(where: { $0[keyPath: name] == word }) else {
            throw UsageError(
                description: "\(word) is none of "
                    + items.map { $0[keyPath: name] }.joined(separator: ", "))
        }
        return item
    }

    /// False after a violation.
    func run() throws -> Bool {
        let path = "/dev/shm/explore-\(getpid())"
        defer { unlink(path) }
        if let choices { return try replay(choices, path) }
        var isGood = true
        for layout in layouts where subject.canOpen(layout) {
            var options = options
            options.layout = layout
            let exploration = try Exploration(options, subject, path: path)
            if let text = program {
                guard let program = Program(text, layout) else { throw notAProgram(text, layout) }
                try exploration.exploreOne(program)
            } else {
                try exploration.exploreAll()
            }
            for finding in exploration.findings {
                try StandardOutput.printLine(finding.report(options))
            }
            isGood = isGood && exploration.findings.isEmpty
            let totals = exploration.totals
            let seconds = Double(totals.nanoseconds) / 1e9
            try StandardOutput.printLine(
                "\(subject.name), \(layout.name): \(totals.programs) programs, \(totals.runs) runs, "
                    + "\(totals.decisions) decisions, \(exploration.findings.count) violations, "
                    + "\(Double(Int(seconds * 10)) / 10) s")
        }
        return isGood
    }

    private func notAProgram(_ text: String, _ layout: Layout) -> UsageError {
        UsageError(description: "not a program of layout \(layout.name): \(text)")
    }

    private func replay(_ choices: [Int], _ path: String) throws -> Bool {
        guard layouts.count == 1, let text = program else {
            throw UsageError(description: "--decisions needs a --layout and a --program")
        }
        var options = options
        options.layout = layouts[0]
        guard let program = Program(text, layouts[0]) else { throw notAProgram(text, layouts[0]) }
        let exploration = try Exploration(options, subject, path: path, replaying: choices)
        guard let finding = try exploration.replay(program) else {
            for step in exploration.trace { try StandardOutput.printLine("    \(step)") }
            try StandardOutput.printLine("Nothing is wrong with this run.")
            return true
        }
        try StandardOutput.printLine(finding.report(options))
        return false
    }
}
