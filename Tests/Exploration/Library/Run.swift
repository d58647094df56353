import BlockIO
import BlockIOTesting
import Glibc

/// One run of one program, under the decisions of a scheduler.
final class Run {
    private let program: Program
    private let layout: Layout
    private let subject: Subject
    private let scheduler: Scheduler
    private let kernel: ModelKernel
    private let image: BlockImage
    private let queue: BlockQueue
    private let memory: RequestMemory
    private var history: History
    private var identifiers: [RequestID] = []
    private var hasClosed = false
    /// A flush, or a write that was to be stable, has failed: the image may remember that.
    private(set) var hasFailedFlush = false
    /// A failure of fdatasync or of a durable write through the page cache has been delivered.
    private var hasLostPages = false

    /// Polls that deliver nothing although the descriptor was readable.
    private static let idleLimit = 100

    init(
        _ program: Program, _ options: Exploration.Options, _ subject: Subject,
        _ scheduler: Scheduler,
        _ kernel: ModelKernel, _ image: BlockImage, _ memory: RequestMemory, cuts: [Int]
    ) throws {
        self.program = program
        layout = options.layout
        self.subject = subject
        self.scheduler = scheduler
        self.kernel = kernel
        self.image = image
        self.memory = memory
        history = History(options.layout, cuts: cuts)
        queue = try subject.open(
            image, kernel, QueueOptions(threading: subject.threading, depth: options.depth))
    }

    private var hasFailed: Bool { scheduler.violation != nil }

    /// Goes through the program and checks all that must hold. False when the queue is in a state in
    /// which it must not be closed.
    func execute() -> Bool {
        if program.style.isBatch {
            queue.batch { makeRequests() }
        } else {
            makeRequests()
        }
        if hasFailed { return abandon() }
        checkSleeper()
        if let cancelled = program.style.cancelled {
            cancel(cancelled)
        }
        finish()
        if hasFailed { return abandon() }
        close()
        if hasFailed { return abandon() }
        checkEnd()
        return !hasFailed
    }

    private func cancel(_ index: Int) {
        scheduler.note("cancel request \(index)")
        history.cancel(index)
        if program.style.isRemote {
            queue.remote.cancel(identifiers[index])
            // The owner has to be told.
            if !isReadable() {
                scheduler.report(.lostWake, "a message from another thread wakes nobody")
            }
        } else {
            queue.cancel(identifiers[index])
        }
        checkSleeper()
    }

    /// What is in flight would be waited for in vain: the queue is leaked.
    private func abandon() -> Bool {
        _ = Unmanaged.passRetained(queue)
        return false
    }

    private func makeRequests() {
        for (index, kind) in program.requests.enumerated() {
            if hasFailed { return }
            scheduler.note("request \(index): \(kind.name)")
            history.submit(kind)
            identifiers.append(submit(index, kind))
            if !program.style.isBatch { checkSleeper() }
            if index + 1 < program.requests.count { pass(program.style.gap) }
        }
    }

    private func submit(_ index: Int, _ kind: RequestKind) -> RequestID {
        let tag = UInt(index)
        let start = UInt64(kind.range.lowerBound)
        switch kind.action {
        case .read:
            let list = memory.list(index, count: kind.range.count, fill: 0xee)
            return queue.readv(list, at: start, userData: tag)
        case .write, .durableWrite:
            let list = memory.list(index, count: kind.range.count, fill: UInt8(index + 1))
            // Both ways into the queue are to be gone.
            let isUsual = kind.range.lowerBound % 64 == 0
            if isUsual && kind.action == .write {
                return queue.writev(list, at: start, userData: tag)
            }
            return queue.write(
                from: UnsafeRawBufferPointer(start: list[0].iov_base, count: list[0].iov_len),
                at: start, durability: kind.isDurable ? .forceUnitAccess : .volatile,
                userData: tag)
        case .flush: return queue.flush(userData: tag)
        case .discard:
            return queue.discard(at: start, length: UInt64(kind.range.count), userData: tag)
        case .zero, .durableZero:
            return queue.writeZeroes(
                at: start, length: UInt64(kind.range.count),
                options: kind.isDurable ? .forceUnitAccess : [], userData: tag)
        case .resize: return queue.resize(to: UInt64(kind.range.upperBound), userData: tag)
        }
    }

    // MARK: Waiting

    private func pass(_ gap: Gap) {
        switch gap {
        case .nothing: break
        case .poll: poll(0)
        case .pollOne: poll(1)
        case .pollAll: poll(history.outstanding)
        }
    }

    @discardableResult
    private func poll(_ minimum: Int) -> Int {
        let wanted = min(minimum, history.outstanding)
        if wanted > 0, kernel.inFlight > 0, scheduler.endsEarly() { answerSome() }
        scheduler.note("poll(minimum: \(wanted))")
        let delivered = queue.poll(minimum: wanted) { deliver($0) }
        if delivered < wanted && !hasFailed {
            scheduler.report(.completions, "poll(minimum: \(wanted)) has delivered \(delivered)")
        }
        checkSleeper()
        return delivered
    }

    private func finish() {
        switch program.style.ending {
        case .drain: while history.outstanding > 0, !hasFailed { poll(history.outstanding) }
        case .pollOne: while history.outstanding > 0, !hasFailed { poll(1) }
        case .sleep: sleepUntilDone()
        case .close: close()
        }
    }

    /// An event loop: sleeps on the descriptor, and polls when it is readable.
    private func sleepUntilDone() {
        var idle = 0
        while history.outstanding > 0, !hasFailed {
            if isReadable() {
                idle = poll(0) > 0 ? 0 : idle + 1
                if idle > Self.idleLimit {
                    scheduler.report(
                        .endlessPolling, "the descriptor stays readable and nothing is delivered")
                }
            } else {
                passTime()
            }
        }
    }

    /// What happens while the caller sleeps.
    private func passTime() {
        if kernel.inFlight > 0 {
            answerSome()
        } else {
            scheduler.report(.lostWake, "nothing is in flight, and nobody wakes the caller")
        }
    }

    private func answerSome() {
        scheduler.note("while the caller sleeps:")
        kernel.answerSome()
        subject.publish()
    }

    /// One who sleeps on the descriptor now must be woken: by what is in flight, or at once.
    private func checkSleeper() {
        if hasFailed || hasClosed || history.outstanding == 0 { return }
        if queue.deliverable > 0 {
            if !isReadable() {
                scheduler.report(
                    .lostWake, "a completion can be delivered, and the descriptor is not readable")
            }
        } else if kernel.inFlight == 0 && !isReadable() {
            scheduler.report(
                .lostWake, "nothing is in flight, and the descriptor is not readable")
        }
    }

    private func isReadable() -> Bool {
        subject.refresh()
        var entry = pollfd(fd: queue.descriptor, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&entry, 1, 0) > 0
    }

    private func close() {
        if hasClosed { return }
        hasClosed = true
        scheduler.note("close")
        queue.close { deliver($0) }
        if !hasFailed { checkClosed() }
    }

    // MARK: Checking

    private func deliver(_ completion: BlockCompletion) {
        let index = Int(completion.userData)
        guard history.requests.indices.contains(index), !history.requests[index].isDone else {
            return scheduler.report(.completions, "request \(index) has a second completion")
        }
        history.deliver(index, isSuccess: completion.isSuccess, effect: completion.effect)
        scheduler.note(
            "request \(index) has ended: "
                + (completion.failure.map { "\($0), errno \(completion.errno)" } ?? "success"))
        let request = history.requests[index]
        if let failure = completion.failure {
            checkFailure(completion, failure, request)
        } else {
            checkSuccess(index, completion, request)
        }
    }

    private func checkFailure(
        _ completion: BlockCompletion, _ failure: BlockError.Code, _ request: History.Request
    ) {
        let name = request.kind.name
        let hasResize = program.requests.contains { $0.isResize }
        let isExpected =
            switch failure {
            case .cancelled: request.wasCancelled
            case .outOfRange: hasResize
            case .endOfMedium: hasResize || scheduler.injectedFaults > 0
            case .system: scheduler.injectedFaults > 0
            default: false
            }
        if !isExpected {
            scheduler.report(
                .failure, "\(name) has failed with \(failure), errno \(completion.errno)")
        }
        if request.kind.isFlush || request.kind.isDurable {
            hasFailedFlush = true
            if kernel.hasToldFailure && failure == .system { hasLostPages = true }
        }
    }

    private func checkSuccess(
        _ index: Int, _ completion: BlockCompletion, _ request: History.Request
    ) {
        if request.kind.action == .read,
            let text = history.complaint(
                aboutRead: index, memory.content(index, count: request.kind.range.count))
        {
            scheduler.report(.bytes, text)
        }
        if request.kind.isFlush && hasLostPages {
            scheduler.report(.flush, "a flush succeeds after a write-back is known to have failed")
        }
        if request.kind.isFlush || request.kind.isDurable { checkStable() }
    }

    /// A closed queue answers, and says why it does no more than that.
    private func checkClosed() {
        var answers: [BlockError.Code?] = []
        queue.flush()
        queue.poll { answers.append($0.failure) }
        if answers != [.closed] {
            scheduler.report(
                .completions, "a request to the closed queue has ended with \(answers)")
        }
    }

    private func checkStable() {
        if let text = history.complaint(aboutStable: kernel.disk.stable) {
            scheduler.report(.lostData, text)
        }
    }

    private func checkEnd() {
        let missing = history.requests.indices.filter { !history.requests[$0].isDone }
        if !missing.isEmpty || queue.outstanding != 0 {
            scheduler.report(
                .completions,
                "requests \(missing) have not ended; outstanding \(queue.outstanding)")
        }
        if kernel.inFlight > 0 || kernel.hasAnswered {
            scheduler.report(.completions, "a submission is in flight when the queue is closed")
        }
        if let text = history.complaint(aboutImage: kernel.disk.visible) {
            scheduler.report(.bytes, text)
        }
        checkStable()
        let size = kernel.disk.byteCount
        if size != Int(image.size) || size % image.logicalBlockSize != 0 {
            scheduler.report(
                .size, "the file has \(size) bytes, and the image says that it has \(image.size)")
        }
    }
}

/// Memory for the requests of one run after the other.
final class RequestMemory {
    private static let bytes = 2048
    private let base: UnsafeMutableRawPointer
    private let lists: UnsafeMutablePointer<iovec>

    init(requests: Int) {
        base = .allocate(byteCount: requests * Self.bytes, alignment: 4096)
        lists = .allocate(capacity: requests)
        lists.initialize(repeating: iovec(), count: requests)
    }

    deinit {
        base.deallocate()
        lists.deallocate()
    }

    func list(_ index: Int, count: Int, fill: UInt8) -> UnsafeBufferPointer<iovec> {
        let start = base + index * Self.bytes
        memset(start, CInt(fill), count)
        lists[index] = iovec(iov_base: start, iov_len: count)
        return UnsafeBufferPointer(start: lists + index, count: 1)
    }

    func content(_ index: Int, count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + index * Self.bytes, count: count)
    }
}
