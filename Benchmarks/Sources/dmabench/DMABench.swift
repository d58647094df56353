import ArgumentParser
import BenchSupport
import BlockIO
import GuestMemory

/// `dmabench`: what it costs to map a guest's list for a device, and to give it back.
@main
struct DMABench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dmabench",
        abstract: "Measures map and unmap of guest memory, with dirty logging on.",
        discussion: """
            Every element is a page. Layouts: contiguous, one stretch of memory; scattered, pages \
            of 1 GiB of RAM at random; mixed, the same but every eighth begins 300 bytes late, \
            which a device with an alignment of 512 gets through a bounce buffer; bounced, \
            scattered and all through the bounce buffer.

            In each of the --rounds every layout has a turn, another one first; --seconds is the \
            measured time of a row. Nanoseconds are of one map and unmap: the median, the fastest \
            and the slowest round. "of bounced" is the median of the ratios, round by round, to \
            the layout that copies everything.

            With --iterations it does that many of each row and measures nothing: for counting \
            instructions from outside.
            """,
        version: PackageVersion.current)

    @Option(
        parsing: .unconditional,
        help: .init("Elements of a list, 1 to 256. (default: 1,16,256)", valueName: "list"),
        transform: { try Self.list($0) { Int($0).flatMap { (1...256).contains($0) ? $0 : nil } } })
    var elements = [1, 16, 256]

    @Option(
        parsing: .unconditional,
        help: .init(
            "Of contiguous, scattered, mixed, bounced. (default: all)", valueName: "list"),
        transform: { try Self.list($0, Layout.init(rawValue:)) })
    var layout = Layout.allCases

    @Option(
        parsing: .unconditional,
        help: .init("Of from-device, to-device. (default: both)", valueName: "list"),
        transform: {
            try Self.list($0) { ["from-device": .fromDevice, "to-device": .toDevice][$0] }
        })
    var direction: [DMADirection] = [.fromDevice, .toDevice]

    @Option(
        parsing: .unconditional,
        help: .init("Measured time of each row, 0.001 to 3600.", valueName: "seconds"))
    var seconds = 0.5

    @Option(
        parsing: .unconditional,
        help: .init("Turns that each layout has, 1 to 1000.", valueName: "count"))
    var rounds = 7

    @Option(
        parsing: .unconditional,
        help: .init("Transfers of each row, unmeasured.", valueName: "count"))
    var iterations: Int?

    @Option(
        parsing: .unconditional, help: .init("For people or for programs.", valueName: "table|json")
    )
    var format = Format.table

    /// Of the report on standard output.
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json
    }

    func validate() throws {
        guard (0.001...3600).contains(seconds) else {
            throw ValidationError("--seconds \(seconds) is not a number from 0.001 to 3600")
        }
        guard (1...1000).contains(rounds) else {
            throw ValidationError("--rounds \(rounds) is not a number from 1 to 1000")
        }
        if let iterations, iterations < 0 {
            throw ValidationError("--iterations \(iterations) is less than 0")
        }
    }

    static func main() { runProgram() }

    func run() throws {
        var rows: [Row] = []
        for count in elements {
            for way in direction {
                let cases = try layout.filter { $0.isPossible(elements: count) }
                    .map { try MappingCase($0, elements: count, way) }
                if let iterations {
                    for entry in cases { try entry.run(iterations) }
                } else {
                    rows += try measure(cases)
                }
            }
        }
        if iterations != nil { return }
        switch format {
        case .table: try StandardOutput.printLine(ReportTable.text(rows))
        case .json: try StandardOutput.printLine(try jsonText(Report(rows: rows)))
        }
    }

    /// A row for each case, which take turns.
    private func measure(_ cases: [MappingCase]) throws -> [Row] {
        let turn = UInt64(seconds * 1e9 / Double(rounds))
        var times = cases.map { _ in [Double]() }
        for entry in cases { _ = try entry.time(atLeast: turn / 4) }
        for round in 0..<rounds {
            for place in cases.indices {
                let index = (place + round) % cases.count
                times[index].append(try cases[index].time(atLeast: turn))
            }
        }
        let slowest = cases.firstIndex { $0.layout == .bounced }.map { times[$0] }
        return zip(cases, times).map { Row($0, nanoseconds: $1, bounced: slowest) }
    }

    private static func list<Element>(
        _ text: String, _ element: (String) -> Element?
    ) throws -> [Element] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map {
            guard let known = element(String($0)) else {
                throw ValidationError("'\($0)' is not among the possible values")
            }
            return known
        }
    }
}
