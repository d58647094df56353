import BlockIO

/// What one contender achieved at one work, over all rounds.
struct Run {
    let target: Target
    let caching: OpenOptions.Caching
    let contender: Contender
    let work: Work
    /// Who it was that worked: for `auto` the engine it took.
    private(set) var engine = ""
    /// Requests a second, by round.
    private(set) var rounds: [Double] = []
    /// All rounds together.
    private(set) var total = Tally()

    init(
        target: Target, caching: OpenOptions.Caching, contender: Contender, work: Work
    ) {
        self.target = target
        self.caching = caching
        self.contender = contender
        self.work = work
    }

    /// A turn has been taken. One that was interrupted before it measured anything has no figures,
    /// but its faults count.
    mutating func add(_ tally: Tally, engine: String) {
        self.engine = engine
        total.add(tally)
        if tally.nanoseconds > 0 { rounds.append(tally.requestsPerSecond) }
    }

    /// The pass that checks all blocks after a turn has ended.
    mutating func addFaults(of check: Tally) {
        total.errors += check.errors
        total.mismatches += check.mismatches
    }

    /// Whether there is anything to tell.
    var hasResult: Bool { !rounds.isEmpty || hasFaults }
    /// Whether anything went wrong.
    var hasFaults: Bool { total.errors > 0 || total.mismatches > 0 }

    /// The middle round, or the mean of the two in the middle.
    var medianRate: Double {
        if rounds.isEmpty { return 0 }
        let sorted = rounds.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
    /// The slowest round.
    var lowestRate: Double { rounds.min() ?? 0 }
    /// The fastest.
    var highestRate: Double { rounds.max() ?? 0 }
    /// Of the median round.
    var bytesPerSecond: Double { medianRate * Double(work.blockSize) }

    /// Processor time of the process, nanoseconds a request.
    var processorTimePerRequest: Double {
        total.requests == 0 ? 0 : Double(total.processorNanoseconds) / Double(total.requests)
    }

    /// Microseconds that `percent` of the requests did not exceed.
    func latency(_ percent: Double) -> Double {
        Double(total.latency.valueAtPercentile(percent)) / 1000
    }
}

/// A contender that could not work on a target.
struct Refusal: Hashable, Encodable {
    let target: String
    let engine: String
    let reason: String
}
