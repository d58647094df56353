import BenchSupport
import BlockIO

/// Which engine would be taken for a target, and why each other was not.
struct Explanation: Encodable {
    let target: String
    let kind: String
    let size: UInt64
    let direct: Bool
    let memoryAlignment: Int
    let offsetAlignment: Int
    let engine: String
    let considered: [Entry]
    let notes: [String]

    /// What became of one engine.
    struct Entry: Encodable {
        let engine: String
        /// "taken", "passed over" or "refused".
        let outcome: String
        let reason: String
    }

    private enum CodingKeys: String, CodingKey {
        case target, kind, size, direct, engine, considered, notes
        case memoryAlignment = "memory_alignment"
        case offsetAlignment = "offset_alignment"
    }

    /// Opens the target read-only, as `auto` would for measuring; the open's own probe is all the
    /// I/O there is.
    init(path: Pathname, name: String, caching: OpenOptions.Caching) throws {
        let image = try BlockImage.open(pathname: path, OpenOptions(caching: caching))
        target = name
        kind = image.kind == .device ? "block device" : "file"
        size = image.size
        direct = caching == .direct
        memoryAlignment = image.alignment.memory
        offsetAlignment = image.alignment.offset
        engine = image.engine.rawValue
        let report = image.engineReport
        considered = report.entries.map(Entry.init)
        notes = report.notes
    }

    /// For people.
    var text: String {
        let head =
            "\(target): \(kind) of \(ByteSize.amount(size)), "
            + "\(direct ? "direct" : "buffered"), alignment \(offsetAlignment) "
            + "(memory \(memoryAlignment)), engine \(engine)"
        let lines = considered.map { "  \($0.engine): \($0.outcome), \($0.reason)" }
        return ([head] + lines + notes.map { "  note: \($0)" }).joined(separator: "\n")
    }
}

extension Explanation.Entry {
    fileprivate init(_ entry: EngineReport.Entry) {
        engine = entry.engine.rawValue
        switch entry.outcome {
        case .taken(let why): (outcome, reason) = ("taken", why)
        case .passedOver(let why): (outcome, reason) = ("passed over", why)
        case .refused(let why, _): (outcome, reason) = ("refused", why)
        @unknown default: (outcome, reason) = ("other", String(describing: entry.outcome))
        }
    }
}

/// The explanations for programs.
struct ExplanationsJSON: Encodable {
    let schema = 1
    let host = Host.current()
    let targets: [Explanation]
}
