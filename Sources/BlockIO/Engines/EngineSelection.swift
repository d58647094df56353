import BlockHost

/// Which engine runs an image: what is allowed, what is safe, and what serves it.
///
/// The engine is chosen when the image is opened. With `auto` the choice can change until the first
/// queue is open, because an engine whose probe worked may lack what a queue needs, such as room in
/// fs.aio-max-nr.
///
/// Safe to share, although unchecked: what changes is under the lock.
final class EngineSelection: @unchecked Sendable {
    /// An engine and what speaks for it.
    private struct Candidate {
        let engine: LocalEngine
        let suitability: EngineSuitability

        var kind: EngineKind { engine.kind }
        var reason: String { suitability.reason }
    }

    /// What opens the engine of a queue: a local engine, or a back end.
    private struct Source {
        let kind: EngineKind
        let open: @Sendable (BlockImage, QueueOptions) throws(BlockError) -> ActiveEngine

        init(_ engine: LocalEngine) {
            kind = engine.kind
            open = engine.open
        }

        init(_ backEnd: any BackEnd) {
            kind = EngineKind(name: backEnd.name)
            open = { (image, options) throws(BlockError) in
                ActiveEngine(try backEnd.openEngine(for: image, options))
            }
        }
    }

    private struct Choice {
        var engine: Source
        var report: EngineReport
        /// The engines that can still replace `engine`, in order of preference; none once a queue is
        /// open.
        var alternatives: ArraySlice<Candidate> = []
    }

    private let descriptor: CInt
    private let caching: OpenOptions.Caching
    /// Held by whoever may replace the engine.
    private let replacing = PthreadMutex()
    /// Protects `choice`.
    private let lock = PthreadMutex()
    private var choice: Choice

    /// The engine that runs the image.
    var engine: EngineKind { current.engine.kind }

    /// What became of each engine.
    var report: EngineReport { current.report }

    private var current: Choice {
        lock.lock()
        defer { lock.unlock() }
        return choice
    }

    private func adopt(_ new: Choice) {
        lock.lock()
        defer { lock.unlock() }
        choice = new
    }

    init(_ options: OpenOptions, _ file: HostFile, notes: [String]) throws(BlockError) {
        descriptor = file.descriptor
        caching = options.caching
        if let backEnd = file.backEnd {
            choice = try Self.take(backEnd, options, file)
            choice.report.notes = notes
            return
        }
        switch options.engine {
        case .forced(let kind):
            guard let engine = LocalEngine.of(kind) else {
                throw BlockError(
                    .engineUnavailable, operation: .open, image: file.pathname.description,
                    detail: "\(kind) does not run images of this host")
            }
            if let refusal = engine.refusal(file.descriptor, options.caching) {
                throw BlockError(
                    .engineUnavailable, errno: refusal.errno, operation: .open,
                    image: file.pathname.description,
                    detail: "\(kind) was asked for and cannot be used: \(refusal.reason)")
            }
            let report = EngineReport(entries: [.init(engine: kind, outcome: .taken("as asked"))])
            choice = Choice(engine: Source(engine), report: report)
        case .auto:
            choice = try Self.choose(options, file)
        }
        choice.report.notes = notes
    }

    /// Opens the engine of a queue.
    ///
    /// When the engine that was chosen cannot serve a queue, the next suitable one is tried, until the
    /// first queue is open. When none can, the choice stays as it was and the first error is thrown.
    func openEngine(
        _ image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> ActiveEngine {
        let known = current
        if known.alternatives.isEmpty { return try known.engine.open(image, options) }
        replacing.lock()
        defer { replacing.unlock() }
        // Another thread may have opened a queue meanwhile.
        var new = current
        do throws(BlockError) {
            let opened = try new.engine.open(image, options)
            new.alternatives = []
            adopt(new)
            return opened
        } catch {
            guard error.code == .engineUnavailable,
                let opened = replace(error, &new, image, options)
            else { throw error }
            adopt(new)
            return opened
        }
    }

    /// Opens the first of the alternatives that can serve a queue, and enters what became of each
    /// engine on the way; `nil` when none can.
    private func replace(
        _ failure: BlockError, _ choice: inout Choice, _ image: BlockImage, _ options: QueueOptions
    ) -> ActiveEngine? {
        let preferred = choice.engine.kind
        choice.report.change(
            preferred,
            to: .refused(
                "it could not open a queue: \(failure.detail)", errno: failure.errno))
        while let candidate = choice.alternatives.popFirst() {
            let kind = candidate.kind
            if let refusal = candidate.engine.refusal(descriptor, caching) {
                choice.report.change(kind, to: .refused(refusal.reason, errno: refusal.errno))
                continue
            }
            do throws(BlockError) {
                let opened = try candidate.engine.open(image, options)
                choice.engine = Source(candidate.engine)
                choice.report.change(
                    kind,
                    to: .taken(
                        "\(candidate.reason); it serves because \(preferred) could not open a queue"
                    ))
                choice.alternatives = []
                return opened
            } catch {
                choice.report.change(
                    kind,
                    to: .refused(
                        "it could not open a queue: \(error.detail)", errno: error.errno))
            }
        }
        return nil
    }

    /// Probes the candidates in order of preference, up to the first that works.
    private static func choose(
        _ options: OpenOptions, _ file: HostFile
    ) throws(BlockError) -> Choice {
        var report = EngineReport(entries: [])
        var taken: LocalEngine?
        var alternatives: ArraySlice<Candidate> = []
        for candidate in candidates(EngineEvidence.gather(file), options) {
            let outcome: EngineReport.Outcome
            if let exclusion = candidate.suitability.exclusion {
                outcome = exclusion
            } else if taken != nil {
                outcome = .passedOver("\(candidate.reason); it was not tried")
                alternatives.append(candidate)
            } else if let refusal = candidate.engine.refusal(file.descriptor, options.caching) {
                outcome = .refused(refusal.reason, errno: refusal.errno)
            } else {
                taken = candidate.engine
                outcome = .taken(candidate.reason)
            }
            report.entries.append(.init(engine: candidate.kind, outcome: outcome))
        }
        guard let taken else {
            throw BlockError(
                .engineUnavailable, operation: .open, image: file.pathname.description,
                detail: report.description)
        }
        return Choice(engine: Source(taken), report: report, alternatives: alternatives)
    }

    /// The engine that a back end brings; no other can be asked for.
    private static func take(
        _ backEnd: any BackEnd, _ options: OpenOptions, _ file: HostFile
    ) throws(BlockError) -> Choice {
        let source = Source(backEnd)
        if case .forced(let kind) = options.engine, kind != source.kind {
            throw BlockError(
                .engineUnavailable, operation: .open, image: file.pathname.description,
                detail: "\(kind) was asked for, and the back end \(backEnd.name) has an engine of "
                    + "its own")
        }
        let reason = "the back end that the image was opened on brings it"
        return Choice(
            engine: source,
            report: EngineReport(entries: [.init(engine: source.kind, outcome: .taken(reason))]))
    }

    /// All local engines, in order of preference.
    private static func candidates(
        _ evidence: EngineEvidence, _ options: OpenOptions
    ) -> [Candidate] {
        let all = LocalEngine.all.map {
            Candidate(engine: $0, suitability: $0.suitability(evidence, options))
        }
        return EngineSuitability.Rank.allCases.flatMap { rank in
            all.filter { $0.suitability.rank == rank }
        }
    }
}
