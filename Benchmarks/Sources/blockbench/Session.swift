import BlockIO

/// What is to be measured on every target.
struct Plan {
    var contenders: [Contender]
    var patterns: [Pattern]
    var blockSizes: [Int]
    var depths: [Int]
    var vectors: [Int]
    var caching: OpenOptions.Caching
    /// Measured time of a contender at a work, all rounds together.
    var seconds: Double
    var rounds: Int
    var verifies: Bool

    /// Whether the targets are written to.
    var writes: Bool { verifies || patterns.contains(where: \.writes) }

    /// All works with this block size.
    func works(ofBlockSize blockSize: Int) -> [Work] {
        patterns.flatMap { pattern in
            depths.flatMap { depth in
                vectors.map { vectors in
                    Work(pattern: pattern, blockSize: blockSize, depth: depth, vectors: vectors)
                }
            }
        }
    }
}

/// Carries out a ``Plan``.
///
/// Rounds are interleaved: in each, every contender has a turn at the same work, and another one
/// begins. So what drifts in a machine, or is warm after the first, favours nobody.
final class Session {
    private let plan: Plan
    private let console: Console
    private let turnCount: Int
    private var turnsTaken = 0
    /// In the order of the plan, those that have something to tell.
    private(set) var runs: [Run] = []
    /// Each said once.
    private(set) var refusals: [Refusal] = []

    /// The part of a turn's counted time that precedes it uncounted, and half a second at most.
    private static let warmUpShare = 0.2
    private static let longestWarmUp = 0.5

    init(plan: Plan, targetCount: Int, console: Console) {
        self.plan = plan
        self.console = console
        turnCount =
            targetCount * plan.blockSizes.count * plan.patterns.count * plan.depths.count
            * plan.vectors.count * plan.contenders.count * plan.rounds
    }

    /// Measures everything on one target, or as much as there is time for before ``Interrupt``.
    func measure(_ target: Target) {
        for blockSize in plan.blockSizes where !Interrupt.isPending {
            let works = plan.works(ofBlockSize: blockSize).filter { work in
                guard let reason = work.objection(on: target, verifying: plan.verifies) else {
                    return true
                }
                refuseAll(target, reason, works: 1)
                return false
            }
            do {
                let needsLayout = plan.verifies && !works.isEmpty
                let range = needsLayout ? try layOut(target, works, blockSize) : nil
                for work in works where !Interrupt.isPending {
                    compare(work, on: target, range)
                }
            } catch {
                refuseAll(target, Self.reason(error), works: works.count)
            }
        }
    }

    private func layOut(
        _ target: Target, _ works: [Work], _ blockSize: Int
    ) throws -> VerifiedRange {
        let range = VerifiedRange(
            target: target, caching: plan.caching, blockSize: blockSize,
            depth: works.reduce(1) { max($0, $1.depth) }, console: console)
        try range.layOut(progress: progress)
        return range
    }

    private func compare(_ work: Work, on target: Target, _ range: VerifiedRange?) {
        let buffers = SlotBuffers(work)
        var results = plan.contenders.map {
            Run(target: target, caching: plan.caching, contender: $0, work: work)
        }
        var isRefused = results.map { _ in false }
        for round in 0..<plan.rounds {
            for place in results.indices where !Interrupt.isPending {
                let index = (place + round) % results.count
                defer { turnsTaken += 1 }
                if isRefused[index] { continue }
                let turn = turn(results[index].contender, work, target, buffers, range, round)
                do {
                    let (engine, tally) = try turn.take(console: console) { elapsed, tally in
                        showProgress(of: turn, round: round, elapsed: elapsed, tally)
                    }
                    results[index].add(tally, engine: engine)
                } catch {
                    isRefused[index] = true
                    refuse(turn.contender, target, Self.reason(error))
                    continue
                }
                if let range { check(range, after: &results[index]) }
            }
        }
        runs += results.filter(\.hasResult)
    }

    /// After every turn, so that what is found is the fault of who worked last.
    private func check(_ range: VerifiedRange, after run: inout Run) {
        if Interrupt.isPending {
            return console.note("blockbench: interrupted, so not all blocks were verified")
        }
        do {
            run.addFaults(of: try range.check(progress: progress))
        } catch {
            console.complain("verifying: \(error)")
            run.addFaults(of: Tally(errors: 1))
        }
    }

    private func turn(
        _ contender: Contender, _ work: Work, _ target: Target, _ buffers: SlotBuffers,
        _ range: VerifiedRange?, _ round: Int
    ) -> Turn {
        let seconds = plan.seconds / Double(plan.rounds)
        let warmUp = min(seconds * Self.warmUpShare, Self.longestWarmUp)
        return Turn(
            target: target, caching: plan.caching, contender: contender, work: work,
            buffers: buffers, verifier: range?.verifier, seed: UInt64(round),
            warmUp: UInt64(warmUp * 1e9), duration: UInt64(seconds * 1e9))
    }

    private func refuseAll(_ target: Target, _ reason: String, works: Int) {
        for contender in plan.contenders { refuse(contender, target, reason) }
        turnsTaken += works * plan.contenders.count * plan.rounds
    }

    private func refuse(_ contender: Contender, _ target: Target, _ reason: String) {
        let refusal = Refusal(target: target.name, engine: contender.name, reason: reason)
        if !refusals.contains(refusal) { refusals.append(refusal) }
    }

    private static func reason(_ error: any Error) -> String {
        (error as? BlockError)?.detail ?? "\(error)"
    }

    private var progress: Double { Double(turnsTaken) / Double(turnCount) }

    private func showProgress(of turn: Turn, round: Int, elapsed: UInt64, _ tally: Tally) {
        let share = min(1, Double(elapsed) / Double(turn.warmUp + turn.duration))
        let work = turn.work
        console.showProgress(
            progress + share / Double(turnCount),
            // The round first: a narrow terminal cuts off the end.
            "round \(round + 1) of \(plan.rounds): \(turn.contender.name) \(work.pattern) "
                + "\(ByteSize.text(work.blockSize)), depth \(work.depth), vectors \(work.vectors)")
    }
}
