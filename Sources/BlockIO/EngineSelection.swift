import CBlockIO
import Glibc

/// Decides which engine runs an image: what is allowed, what is safe, and what serves it.
enum EngineSelection {
    /// What was decided.
    struct Decision {
        var engine: EngineKind
        var report: EngineReport
        /// Up to so many bytes threads leave to the one that submits them; `nil` when none are.
        var inlineLimit: UInt64?
    }

    static func select(
        _ options: OpenOptions, _ file: ImageFile, path: String
    ) throws(BlockError) -> Decision {
        switch options.engine {
        case .forced(let kind):
            if let refusal = refusal(of: kind, file, options.caching) {
                throw BlockError(
                    .engineUnavailable, errno: refusal.errno, operation: .open, image: path,
                    detail: "\(kind) was asked for and cannot be used: \(refusal.reason)")
            }
            return decision(
                kind, EngineReport(entries: [.init(engine: kind, outcome: .taken("as asked"))]),
                options, isInMemory: EngineEvidence.memoryBacking(file) != nil)
        case .auto:
            return choose(options, file)
        }
    }

    /// An engine and what speaks for it, in order of preference.
    private struct Candidate {
        var engine: EngineKind
        var reason: String
        /// It works, but must not be taken for this image.
        var isUnsafe = false
    }

    private static func choose(_ options: OpenOptions, _ file: ImageFile) -> Decision {
        var report = EngineReport(entries: [])
        var taken: EngineKind?
        let evidence = EngineEvidence.gather(file, caching: options.caching)
        for candidate in candidates(evidence, options) {
            let outcome: EngineReport.Outcome
            if let refusal = refusal(of: candidate.engine, file, options.caching) {
                outcome = .refused(refusal.reason, errno: refusal.errno)
            } else if taken != nil || candidate.isUnsafe {
                outcome = .passedOver(candidate.reason)
            } else {
                taken = candidate.engine
                outcome = .taken(candidate.reason)
            }
            report.entries.append(.init(engine: candidate.engine, outcome: outcome))
        }
        // The thread pool needs nothing that a process can be refused.
        var isInMemory = false
        if case .inMemory = evidence { isInMemory = true }
        return decision(taken ?? .threadPool, report, options, isInMemory: isInMemory)
    }

    private static func decision(
        _ engine: EngineKind, _ report: EngineReport, _ options: OpenOptions, isInMemory: Bool
    ) -> Decision {
        let isCopied = engine == .threadPool && isInMemory
        return Decision(
            engine: engine, report: report,
            inlineLimit: isCopied ? UInt64(options.inlineLimit) : nil)
    }

    private static func candidates(
        _ evidence: EngineEvidence, _ options: OpenOptions
    ) -> [Candidate] {
        switch evidence {
        case .asynchronous(let why, let hazard):
            return [
                Candidate(
                    engine: .ioURing, reason: "\(why), so the kernel completes it asynchronously"),
                Candidate(
                    engine: .linuxAIO,
                    reason: hazard ?? "\(why); it serves where io_uring is not to be had",
                    isUnsafe: hazard != nil),
                Candidate(engine: .threadPool, reason: "a thread a request is the last resort"),
            ]
        case .inMemory(let why):
            return [
                Candidate(
                    engine: .threadPool,
                    reason: "\(why), so the kernel copies within the call; the caller does up to "
                        + "\(options.inlineLimit) bytes itself, threads help it and do the larger "
                        + "ones"),
                Candidate(
                    engine: .linuxAIO, reason: "\(why): the caller of io_submit(2) copies alone"),
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
                Candidate(
                    engine: .linuxAIO, reason: "\(why): io_submit(2) would block", isUnsafe: true),
            ]
        }
    }

    /// `nil` when the engine can run an image on this descriptor.
    private static func refusal(
        of kind: EngineKind, _ file: ImageFile, _ caching: OpenOptions.Caching
    ) -> EngineRefusal? {
        switch kind {
        case .ioURing: URingEngine.refusal(descriptor: file.descriptor)
        case .linuxAIO: LinuxAIOEngine.refusal(descriptor: file.descriptor, caching: caching)
        case .threadPool: nil
        }
    }
}

/// Why an engine cannot be used: one sentence, with what an administrator can do.
struct EngineRefusal {
    let reason: String
    let errno: CInt
}
