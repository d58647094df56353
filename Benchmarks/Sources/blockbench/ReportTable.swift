import BenchSupport
import BlockIO
import Foundation
import TextTable

/// The report for people: a line about the host and one about each target, a table with a row for
/// each contender at each work, and another with the reason for each contender that could not work.
enum ReportTable {
    /// What is known before anything is measured. Ends without a newline.
    static func head(targets: [Target], caching: OpenOptions.Caching) -> String {
        let lines = targets.flatMap { target in
            let what = "\(target.summary), \(caching == .direct ? "direct" : "buffered")"
            return [what, target.device?.summary].compactMap { $0 }.map { "\(target.name): \($0)" }
        }
        return ([Host.current().summary] + lines).joined(separator: "\n")
    }

    /// The tables, an empty line before each. Ends without a newline.
    static func tables(
        targets: [Target], runs: [Run], refusals: [Refusal], verified: Bool
    ) -> String {
        let showsFaults = verified || runs.contains(where: \.hasFaults)
        let figures = TextTable<Run> { run in
            named(run.target.name, of: targets) + Self.figures(run)
                + (showsFaults ? faults(run) : [])
        }
        let reasons = TextTable<Refusal> { refusal in
            named(refusal.target, of: targets) + [
                Column("Refused" <- refusal.engine), Column("Because" <- refusal.reason),
            ]
        }
        return [figures.string(for: runs), reasons.string(for: refusals)].compactMap { $0 }
            .map { "\n" + withoutTrailingBlanks($0) }.joined(separator: "\n")
    }

    /// The target's column, where there is more than one.
    private static func named(_ target: String, of targets: [Target]) -> [Column] {
        targets.count > 1 ? [Column("Target" <- target)] : []
    }

    private static func figures(_ run: Run) -> [Column] {
        let isAuto = run.contender == .engine(.auto)
        return [
            Column("Engine" <- (isAuto ? "auto: \(run.engine)" : run.engine)),
            Column("Pattern" <- run.work.pattern.rawValue),
            number("Block", ByteSize.text(run.work.blockSize)),
            number("Depth", run.work.depth),
            number("Vectors", run.work.vectors),
            number("IOPS", Int(run.medianRate)),
            number("lowest", Int(run.lowestRate)),
            number("highest", Int(run.highestRate)),
            number("MB/s", String(format: "%.1f", run.bytesPerSecond / 1e6)),
            number("CPU µs/IO", microseconds(run.processorTimePerRequest / 1000)),
            number("p50 µs", microseconds(run.latency(50))),
            number("p99 µs", microseconds(run.latency(99))),
            number("p99.9 µs", microseconds(run.latency(99.9))),
        ]
    }

    private static func faults(_ run: Run) -> [Column] {
        [number("Errors", run.total.errors), number("Mismatches", run.total.mismatches)]
    }

    private static func number(_ title: String, _ value: Any) -> Column {
        Column(title <- value, align: .right)
    }

    private static func microseconds(_ value: Double) -> String {
        String(format: value < 100 ? "%.2f" : "%.0f", value)
    }

    /// Tables pad their last column and end with a newline.
    private static func withoutTrailingBlanks(_ text: String) -> String {
        text.split(separator: "\n").map { String($0.replacing(/\s+$/, with: "")) }
            .joined(separator: "\n")
    }
}
