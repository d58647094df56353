import IDE

/// A step of what a guest did and saw.
enum TraceEntry: Equatable, CustomStringConvertible {
    /// An access to a register, a command, the end of one, a line that changed its level.
    case event(IDETraceEvent)
    /// Bytes that came through the data port.
    case data(count: Int, checksum: Int)
    /// What a test looked at: see ``TestMachine/sample(_:_:)``.
    case sample(String)
    /// A page of memory that was written in the course of it, as it was at the end.
    case page(Int, checksum: Int)
    /// A medium that was written, as it was at the end.
    case medium(IDESlot, checksum: Int)

    var description: String {
        switch self {
        case .event(let event): "\(event)"
        case .data(let count, let checksum): "\(count) bytes of data, \(hex(checksum))"
        case .sample(let text): text
        case .page(let number, let checksum): "page \(hex(number)) has \(hex(checksum))"
        case .medium(let slot, let checksum): "\(slot) has \(hex(checksum))"
        }
    }

    /// Good for comparisons within a process.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: bytes)
        return hasher.finalize()
    }

    /// Where two traces begin to differ, in words; `nil` when they do not.
    static func difference(_ one: [Self], _ other: [Self]) -> String? {
        for (index, (left, right)) in zip(one, other).enumerated() where left != right {
            return "step \(index): \(left) / \(right)"
        }
        if one.count == other.count { return nil }
        let longer = one.count > other.count ? one : other
        return "\(one.count) and \(other.count) steps, the first too many: "
            + "\(longer[min(one.count, other.count)])"
    }
}
