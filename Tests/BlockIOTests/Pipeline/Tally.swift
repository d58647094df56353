import BlockIO
@testable import TestSupport

/// A count of what completed, by the completions themselves, to be compared with the statistics.
struct Tally {
    private var counts: [BlockIO.BlockOperation: [UInt64]] = [:]

    /// Notes a completion.
    mutating func note(_ completion: BlockCompletion) {
        var count = counts[completion.operation] ?? [0, 0, 0]
        count[completion.isSuccess ? 0 : 2] += 1
        count[1] += completion.transferred
        counts[completion.operation] = count
    }

    /// Bytes moved by an operation.
    func bytes(_ operation: BlockIO.BlockOperation) -> UInt64 { counts[operation]?[1] ?? 0 }

    /// The first counter that says something else; `nil` when all agree.
    func difference(_ statistics: BlockStatistics) -> String? {
        let counters: [(BlockIO.BlockOperation, BlockStatistics.Counter)] = [
            (.read, statistics.reads), (.write, statistics.writes), (.flush, statistics.flushes),
            (.discard, statistics.discards), (.writeZeroes, statistics.writeZeroes),
        ]
        for (operation, counter) in counters {
            let expected = counts[operation] ?? [0, 0, 0]
            if [counter.operations, counter.bytes, counter.errors] == expected { continue }
            return "\(operation): statistics \(counter), completions \(expected)"
        }
        return nil
    }
}
