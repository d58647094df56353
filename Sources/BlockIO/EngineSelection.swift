import BlockHost
import CBlockIO
import Glibc

/// Which engine runs an image: what is allowed, what is safe, and what serves it.
///
/// The engine is chosen when the image is opened. With `auto` the choice can change until the first
/// queue is open, because an engine whose probe worked may lack what a queue needs, such as room in
/// fs.aio-max-nr.
final class EngineSelection: @unchecked Sendable {
    /// An engine and what speaks for it.
    private struct Candidate {
        var engine: EngineKind
        var reason: String
        /// Why the engine must not be taken for this image, when that is known without a probe.
        var exclusion: EngineReport.Outcome?
    }

    private struct Choice {
        var engine: EngineKind
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
    var engine: EngineKind { current.engine }

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
        switch options.engine {
        case .forced(let kind):
            if let refusal = Self.refusal(of: kind, file.descriptor, options.caching) {
                throw BlockError(
                    .engineUnavailable, errno: refusal.errno, operation: .open,
                    image: file.pathname.description,
                    detail: "\(kind) was asked for and cannot be used: \(refusal.reason)")
            }
            let report = EngineReport(entries: [.init(engine: kind, outcome: .taken("as asked"))])
            choice = Choice(engine: kind, report: report)
        case .auto:
            choice = Self.choose(options, file)
        }
        choice.report.notes = notes
    }

    /// Opens the engine of a queue with `open`.
    ///
    /// When the engine that was chosen cannot serve a queue, the next suitable one is tried, until the
    /// first queue is open. When none can, the choice stays as it was and the first error is thrown.
    func openEngine(
        _ open: (EngineKind) throws(BlockError) -> ActiveEngine
    ) throws(BlockError) -> ActiveEngine {
        let known = current
        if known.alternatives.isEmpty { return try open(known.engine) }
        replacing.lock()
        defer { replacing.unlock() }
        // Another thread may have opened a queue meanwhile.
        var new = current
        let preferred = new.engine
        do throws(BlockError) {
            let opened = try open(preferred)
            new.alternatives = []
            adopt(new)
            return opened
        } catch {
            guard error.code == .engineUnavailable, let opened = replace(error, &new, open)
            else { throw error }
            adopt(new)
            return opened
        }
    }

    /// Opens the first of the alternatives that can serve a queue, and enters what became of each
    /// engine on the way; `nil` when none can.
    private func replace(
        _ failure: BlockError, _ choice: inout Choice,
        _ open: (EngineKind) throws(BlockError) -> ActiveEngine
    ) -> ActiveEngine? {
        let preferred = choice.engine
        choice.report.change(
            preferred,
            to: .refused(
                "it could not open a queue: \(failure.detail)", errno: failure.errno))
        while let candidate = choice.alternatives.popFirst() {
            let kind = candidate.engine
            if let refusal = Self.refusal(of: kind, descriptor, caching) {
                choice.report.change(kind, to: .refused(refusal.reason, errno: refusal.errno))
                continue
            }
            do throws(BlockError) {
                let opened = try open(kind)
                choice.engine = kind
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
    private static func choose(_ options: OpenOptions, _ file: HostFile) -> Choice {
        var entries: [EngineReport.Entry] = []
        var taken: EngineKind?
        var alternatives: ArraySlice<Candidate> = []
        for candidate in candidates(EngineEvidence.gather(file), options) {
            let outcome: EngineReport.Outcome
            if let exclusion = candidate.exclusion {
                outcome = exclusion
            } else if taken != nil {
                outcome = .passedOver("\(candidate.reason); it was not tried")
                alternatives.append(candidate)
            } else if let refusal = refusal(
                of: candidate.engine, file.descriptor, options.caching)
            {
                outcome = .refused(refusal.reason, errno: refusal.errno)
            } else {
                taken = candidate.engine
                outcome = .taken(candidate.reason)
            }
            entries.append(.init(engine: candidate.engine, outcome: outcome))
        }
        // The thread pool needs nothing that a process can be refused.
        return Choice(
            engine: taken ?? .threadPool, report: EngineReport(entries: entries),
            alternatives: alternatives)
    }

    private static func candidates(
        _ evidence: EngineEvidence, _ options: OpenOptions
    ) -> [Candidate] {
        func linuxAIO(_ reason: String, hazard: String?) -> Candidate {
            let refusal = LinuxAIOEngine.refusal(caching: options.caching)
            return Candidate(
                engine: .linuxAIO, reason: reason,
                exclusion: refusal.map { .refused($0.reason, errno: $0.errno) }
                    ?? hazard.map { .passedOver($0) })
        }
        switch evidence {
        case .asynchronous(let why, let hazard):
            return [
                Candidate(
                    engine: .ioURing, reason: "\(why), so the kernel completes it asynchronously"),
                linuxAIO("\(why); it serves where io_uring is not to be had", hazard: hazard),
                Candidate(engine: .threadPool, reason: "a thread a request is the last resort"),
            ]
        case .inMemory(let why):
            return [
                Candidate(
                    engine: .threadPool,
                    reason: "\(why), so the kernel copies within the call; the caller does up to "
                        + "\(options.inlineLimit) bytes itself, threads help it and do the larger "
                        + "ones"),
                linuxAIO("\(why): the caller of io_submit(2) copies alone", hazard: nil),
                Candidate(
                    engine: .ioURing,
                    reason: "\(why): io_uring would hand each request to a worker thread"),
            ]
        case .blocking(let why):
            return [
                Candidate(
                    engine: .threadPool, reason: "\(why): only threads keep the caller from waiting"
                ),
                Candidate(
                    engine: .ioURing,
                    reason: "\(why): io_uring would hand each request to a worker thread"),
                linuxAIO("\(why)", hazard: "\(why): io_submit(2) would block"),
            ]
        }
    }

    /// `nil` when the engine can run an image on this descriptor.
    private static func refusal(
        of kind: EngineKind, _ descriptor: CInt, _ caching: OpenOptions.Caching
    ) -> EngineRefusal? {
        switch kind {
        case .ioURing: URingEngine.refusal(descriptor: descriptor)
        case .linuxAIO: LinuxAIOEngine.refusal(descriptor: descriptor, caching: caching)
        case .threadPool: nil
        }
    }
}

/// Why an engine cannot be used: one sentence, with what an administrator can do.
struct EngineRefusal {
    let reason: String
    let errno: CInt
}
