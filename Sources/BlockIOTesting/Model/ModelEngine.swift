import BlockHost
import BlockIO

/// Runs requests on a ``ModelKernel``, and obeys `minimum` to the letter: where a real kernel would
/// wait for ever it says so, instead of coming back with fewer.
struct ModelEngine: ~Copyable, Engine {
    private let kernel: ModelKernel
    private let image: BlockImage
    private let depth: Int
    private let event: Event

    init(_ kernel: ModelKernel, image: BlockImage, depth: Int) throws(BlockError) {
        do throws(SystemCallError) {
            event = try Event()
        } catch {
            throw BlockError(.system, errno: error.errno, operation: .open, image: image.path)
        }
        self.kernel = kernel
        self.image = image
        self.depth = depth
        kernel.event = event
    }

    var inFlight: Int { kernel.inFlight + kernel.answeredCount }
    var descriptor: CInt { event.descriptor }
    var wakeEvent: WakeEvent { .event(event) }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        for _ in 0..<kernel.accept(min(pending.count, depth - inFlight)) {
            guard let request = pending.takeFirst() else { break }
            let submission = ModelSubmission(request.pointee.submission)
            // A kernel tells each open file description apart of what it has lost.
            if submission.kind == .bufferedWrite { image.activeFile.hasUsedSecondWay() }
            unsafe kernel.begin(ModelTag(request.base), submission)
        }
        kernel.signalIfDue()
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        submit(&pending, answered: &answered)
        let isWoken = kernel.clearEvent()
        var end = WaitEnd.normal
        if minimum == 0 || kernel.hasRefused {
            // io_uring_enter(2) does not wait either when it took fewer than it was offered.
            if !kernel.hasAnswered { kernel.answer(from: 0, through: kernel.inFlight) }
        } else if !kernel.hasAnswered {
            // What there is no room for cannot end.
            let awaited = pending.isEmpty ? minimum : min(minimum, kernel.inFlight)
            end = wait(isWoken ? awaited - 1 : awaited, limit)
        }
        while let (tag, result) = kernel.takeAnswered() {
            // The tags are those of `submit`.
            guard let slot = unsafe tag.address?.assumingMemoryBound(to: IORequest.self) else {
                preconditionFailure("the model has answered what it was not asked")
            }
            let request = unsafe RequestPointer(slot)
            request.pointee.result = result
            answered.append(request)
        }
        kernel.signalIfDue()
        return isWoken && end == .normal ? .woken : end
    }

    mutating func cancel(_ request: RequestPointer) {
        unsafe kernel.cancel(ModelTag(request.base))
    }

    mutating func shutDown() { event.close() }

    /// Waits for so many to end.
    private mutating func wait(_ minimum: Int, _ limit: WaitLimit) -> WaitEnd {
        if kernel.inFlight < minimum {
            guard kernel.inFlight == 0 && kernel.chooser.isAutonomous else {
                kernel.chooser.reportHang(
                    "the queue waits for \(minimum) submissions; \(kernel.inFlight) are in flight")
                return .interrupted
            }
            // A wake can come from another thread.
            switch event.wait(limit) {
            case .interrupted: return .interrupted
            case .timedOut: return .normal
            case .readable:
                _ = kernel.clearEvent()
                return .woken
            }
        }
        kernel.answer(from: minimum, through: kernel.inFlight)
        return .normal
    }
}
