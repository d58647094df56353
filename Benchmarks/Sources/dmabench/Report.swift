import BenchSupport
import GuestMemory

/// What was measured of one case.
struct Row: Encodable {
    let elements: Int
    let layout: String
    let direction: String
    let nanoseconds: Spread
    let perElement: Double
    /// `nil` without a layout that bounces.
    let ofBounced: Spread?

    /// Over the rounds.
    struct Spread: Encodable {
        let median: Double
        let min: Double
        let max: Double

        init(_ values: [Double]) {
            let sorted = values.sorted()
            median = sorted[sorted.count / 2]
            min = sorted[0]
            max = sorted[sorted.count - 1]
        }
    }

    private enum CodingKeys: String, CodingKey {
        case elements, layout, direction
        case nanoseconds = "ns"
        case perElement = "ns_per_element"
        case ofBounced = "of_bounced"
    }

    init(_ entry: MappingCase, nanoseconds: [Double], bounced: [Double]?) {
        elements = entry.elements
        layout = entry.layout.rawValue
        direction = entry.direction == .fromDevice ? "from-device" : "to-device"
        self.nanoseconds = Spread(nanoseconds)
        perElement = self.nanoseconds.median / Double(elements)
        ofBounced = bounced.map { Spread(zip(nanoseconds, $0).map { $0 / $1 }) }
    }
}

/// The report for programs. Keys and units are an interface; `schema` counts its versions.
struct Report: Encodable {
    let schema = 1
    let host = Host.current()
    let rows: [Row]

    private enum CodingKeys: String, CodingKey { case schema, host, rows = "runs" }
}
