import BlockIO
import BlockIOTesting
import Glibc

/// Runs every program of a few requests with every decision that the kernel below may make, and checks
/// what must hold whatever it decides.
package final class Exploration {
    /// What is explored.
    package struct Options: Sendable {
        /// Requests of a program.
        package var requests = 3
        /// Faults at most in one run.
        package var faults = 0
        /// Any number of submissions is answered at once, instead of one after the other.
        package var isPartial = false
        /// Every style, instead of few.
        package var hasAllStyles = false
        package var layout = Layout.direct
        /// Submissions that the engine may have in flight.
        package var depth = 8
        /// Programs are dealt to so many, and this is the share of one of them.
        package var part = 0
        package var parts = 1
        /// Goes on after a violation to find those of other kinds.
        package var findsAllKinds = false
        /// See ``ModelKernel/Shape/eatsDurableErrors``.
        package var eatsDurableErrors = true

        package init() {}
    }

    /// What has been done.
    package struct Totals: Sendable {
        package var programs = 0
        package var runs = 0
        package var decisions = 0
        package var nanoseconds: UInt64 = 0
    }

    /// A violation and how to see it again.
    package struct Finding: Sendable {
        /// The name of what was explored.
        package let subject: String
        package let violation: Violation
        package let program: Program
        package let choices: [Int]
        package let trace: [String]
    }

    private let options: Options
    private let subject: Subject
    private let path: String?
    /// -1 for a subject whose images are on the model.
    private let file: CInt
    private let decisions: Decisions
    private let scheduler: Scheduler
    private let memory: RequestMemory
    private let cuts: [Int]
    private var image: BlockImage?
    /// What is being done now, for a run that cannot be left.
    private var current: Program?
    package private(set) var totals = Totals()
    package private(set) var findings: [Finding] = []

    /// Uses a file at `path` for the image, whose size is that of the image in all runs. A subject whose
    /// images are on the model needs none.
    package init(
        _ options: Options, _ subject: Subject, path: String? = nil,
        replaying choices: [Int]? = nil
    ) throws {
        self.options = options
        self.subject = subject
        self.path = path
        if subject.engine == nil {
            file = -1
        } else {
            guard let path else { throw ExplorationError(text: "\(subject.name) needs a path") }
            file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            if file < 0 { throw ExplorationError(text: "cannot open \(path): errno \(errno)") }
        }
        decisions = choices.map { Decisions(replaying: $0) } ?? Decisions()
        scheduler = Scheduler(decisions, isPartial: options.isPartial)
        memory = RequestMemory(requests: 16)
        cuts = options.layout.cuts
        scheduler.onEndless = { [unowned self] in reportEndless() }
    }

    deinit { if file >= 0 { Glibc.close(file) } }

    /// All programs of 1, 2 and so on up to the number of requests that was asked for.
    package func exploreAll() throws {
        let start = Self.now()
        defer { totals.nanoseconds += Self.now() - start }
        var number = 0
        for count in 1...options.requests {
            let styles = options.hasAllStyles ? Style.all(requests: count) : Style.few
            try Program.forEach(options.layout, requests: count, styles) { program in
                number += 1
                if share(of: number) != options.part || isDone { return }
                try explore(program)
            }
        }
        totals.decisions = decisions.total
    }

    /// Which share a program belongs to. Scattered, so that each share has programs of all styles.
    private func share(of number: Int) -> Int {
        Int((UInt64(number) &* 0x9e37_79b9_7f4a_7c15) >> 33) % options.parts
    }

    private var isDone: Bool { !findings.isEmpty && !options.findsAllKinds }

    /// All runs of one program.
    package func exploreOne(_ program: Program) throws {
        let start = Self.now()
        defer { totals.nanoseconds += Self.now() - start }
        try explore(program)
        totals.decisions = decisions.total
    }

    private func explore(_ program: Program) throws {
        totals.programs += 1
        decisions.restart()
        repeat {
            totals.runs += 1
            if let violation = try run(program) {
                let isNew = !findings.contains { $0.violation.kind == violation.kind }
                if isNew { try record(program, decisions.choices) }
                // One is enough of a program.
                return
            }
        } while decisions.advance()
    }

    /// One run, with a trace of what happens; `nil` when nothing is wrong.
    package func replay(_ program: Program) throws -> Finding? {
        scheduler.isTracing = true
        defer { scheduler.isTracing = false }
        let violation = try run(program)
        trace = scheduler.trace
        guard let violation else { return nil }
        return Finding(
            subject: subject.name, violation: violation, program: program,
            choices: decisions.choices, trace: scheduler.trace)
    }

    /// What happened in the latest replay.
    package private(set) var trace: [String] = []

    private func record(_ program: Program, _ choices: [Int]) throws {
        let other = try Exploration(options, subject, path: path, replaying: choices)
        if let finding = try other.replay(program) {
            findings.append(finding)
        } else {
            throw ExplorationError(text: "a run of \(program) does not happen again the same way")
        }
        image = nil
    }

    private func run(_ program: Program) throws -> Violation? {
        current = program
        scheduler.restart(faults: options.faults)
        let disk = VolatileDisk(size: options.layout.size, fill: History.initial, seed: 1)
        let kernel = ModelKernel(
            disk, scheduler,
            ModelKernel.Shape(
                isBuffered: options.layout.caching == .buffered, block: options.layout.block,
                file: file, eatsDurableErrors: options.eatsDurableErrors))
        let image = try openImage(on: kernel)
        let run = try Run(
            program, options, subject, scheduler, kernel, image, memory, cuts: cuts)
        let isIntact = run.execute()
        subject.leave()
        // The next run is to begin with the same image: without its memory of failures, of its size, of
        // the buffered descriptor that it has opened and of zeroes that no flush has covered.
        let isSame =
            isIntact && !run.hasFailedFlush && !kernel.hasToldFailure
            && !kernel.hasUsedBufferedDescriptor && !image.activeFile.hasUnsyncedPages
            && disk.byteCount == options.layout.size
            && !program.requests.contains(where: \.isResize)
        if !isSame { self.image = nil }
        if decisions.hasDiverged {
            throw ExplorationError(text: "a run of \(program) does not repeat what came before")
        }
        return scheduler.violation
    }

    /// The image on the model, or on the file as it was before.
    private func openImage(on kernel: ModelKernel) throws -> BlockImage {
        guard let engine = subject.engine, let path else {
            return try BlockImage.open(
                backEnd: kernel,
                OpenOptions(access: .readWrite, caching: options.layout.caching))
        }
        if let image { return image }
        if ftruncate(file, off_t(options.layout.size)) != 0 {
            throw ExplorationError(text: "ftruncate: errno \(errno)")
        }
        let block = options.layout.block
        let opened = try BlockImage.open(
            path,
            OpenOptions(
                access: .readWrite, caching: options.layout.caching, lock: .off,
                engine: .forced(engine),
                alignment: HostAlignment(memory: 1, offset: block)))
        image = opened
        return opened
    }

    /// The queue goes on for ever: this is the end of the process.
    private func reportEndless() -> Never {
        if !scheduler.isTracing, let current {
            let choices = decisions.choices
            if let other = try? Exploration(options, subject, path: path, replaying: choices) {
                _ = try? other.replay(current)
            }
        }
        if let current, let violation = scheduler.violation {
            let finding = Finding(
                subject: subject.name, violation: violation, program: current,
                choices: decisions.choices, trace: Array(scheduler.trace.prefix(60)))
            print(finding.report(options))
        }
        print("The queue goes on for ever in this run; the exploration ends here.")
        exit(1)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        // Subjects may have a clock of their own.
        clock_gettime(CLOCK_MONOTONIC_RAW, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// The exploration itself cannot go on.
package struct ExplorationError: Error, CustomStringConvertible {
    let text: String
    package var description: String { text }
}

extension Exploration.Finding {
    /// The whole story, and how to see it again.
    package func report(_ options: Exploration.Options) -> String {
        let choices = choices.map(String.init).joined(separator: ",")
        var more = options.isPartial ? " --partial" : ""
        if options.depth != 8 { more += " --depth \(options.depth)" }
        if !options.eatsDurableErrors { more += " --own-errors" }
        return """
            VIOLATION (\(violation.kind.rawValue)): \(violation.text)
              program: \(program)
            \(trace.map { "    \($0)" }.joined(separator: "\n"))
              again: --engine \(subject) --layout \(options.layout.name) \
            --faults \(options.faults)\(more) --program \(program) \
            --decisions \(choices.isEmpty ? "-" : choices)
            """
    }
}
