import Foundation
import TextTable

/// The report for people: a row for each case.
enum ReportTable {
    /// Ends without a newline.
    static func text(_ rows: [Row]) -> String {
        let table = TextTable<Row> { row in
            [
                number("Elements", "%.0f", Double(row.elements)),
                Column("Layout" <- row.layout),
                Column("Direction" <- row.direction),
                number("ns", "%.0f", row.nanoseconds.median),
                number("lowest", "%.0f", row.nanoseconds.min),
                number("highest", "%.0f", row.nanoseconds.max),
                number("ns/element", "%.1f", row.perElement),
                number("of bounced", "%.3f", row.ofBounced?.median),
            ]
        }
        return (table.string(for: rows) ?? "").split(separator: "\n")
            .map { String($0.replacing(/\s+$/, with: "")) }.joined(separator: "\n")
    }

    private static func number(_ title: String, _ format: String, _ value: Double?) -> Column {
        Column(title <- (value.map { String(format: format, $0) } ?? "-"), align: .right)
    }
}
