import BlockIO
import Synchronization
@testable import TestSupport

/// What was done to the sectors of an image and what was read from them, by several threads, and whether one
/// can be true beside the other.
///
/// Each request has a time when it was made and one when its completion was delivered, on a clock that counts
/// such events. A sector that is read must come from a change that began before the read completed, and
/// that no other change has replaced: one that was made after the first had completed, and had completed
/// before the read was made. So a write that is lost, because another one wrote an old copy of it back, shows.
struct SectorHistory {
    /// Times, which all threads draw from.
    final class Clock: Sendable {
        private let time = Atomic<UInt64>(0)

        func next() -> UInt64 { time.add(1, ordering: .sequentiallyConsistent).newValue }
    }

    /// What sectors may hold.
    enum Content: Equatable {
        /// The stamp of a write, or 0 for zeroes: see ``StampedSectors``.
        case stamp(UInt64)
        case anything
        /// Not the stamp of any single write.
        case torn
    }

    struct Change {
        let sectors: Range<Int>
        let content: Content
        let start: UInt64
        let end: UInt64
    }

    struct Read {
        let first: Int
        let contents: [Content]
        let start: UInt64
        let end: UInt64
    }

    var changes: [Change] = []
    var reads: [Read] = []

    /// What is wrong, in words; none is when all is well. At first the image held zeroes.
    func mistakes(sectors: Int) -> [String] {
        var bySector = [[Change]](
            repeating: [Change(sectors: 0..<0, content: .stamp(0), start: 0, end: 0)],
            count: sectors)
        for change in changes {
            for sector in change.sectors { bySector[sector].append(change) }
        }
        return reads.flatMap { read in
            read.contents.indices.compactMap { index in
                let sector = read.first + index
                let found = read.contents[index]
                return Self.isLegal(found, read, bySector[sector])
                    ? nil : "sector \(sector) holds \(found) at \(read.start) to \(read.end)"
            }
        }
    }

    private static func isLegal(_ found: Content, _ read: Read, _ changes: [Change]) -> Bool {
        let replacement = changes.filter { $0.end < read.start }.map(\.start).max() ?? 0
        let possible = changes.filter { $0.start < read.end && $0.end >= replacement }
        // Two at the same time may be mixed, and so may one and the read.
        if found == .torn && possible.count > 1 { return true }
        return possible.contains { $0.content == found || $0.content == .anything }
    }
}
