import CTestSupport
import Foundation
@testable import TestSupport

/// The memory of this process.
enum ResidentMemory {
    /// Bytes that are in memory, without what the allocator keeps for later.
    static func bytes() throws -> Int {
        cts_allocations_trim()
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(
            separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else {
            throw FixtureError.failed("/proc/self/statm: \(fields)")
        }
        return pages * Int(getpagesize())
    }
}
