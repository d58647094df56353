import BlockHost
import Glibc

/// The thread of one virtqueue. It serves the queue, and does what the thread of the session asks for
/// between two services.
///
/// `@unchecked`: the mutex guards every variable but one, which only the thread of the session uses.
final class QueueThread: @unchecked Sendable {
    private typealias Job = @Sendable (ServedQueue) -> Void
    typealias Maker = @Sendable (QueueWake) throws(VhostUserError) -> ServedQueue

    /// What becomes of the thread.
    private enum Phase {
        case starting
        case serving
        /// Its queue could not be made.
        case failed(VhostUserError)
        case ended
    }

    private let wake: QueueWake
    private let calls: CallCopies
    /// The copy of the queue's descriptor for calls, of the thread of the session; -1 when there is none.
    private var callCopy: CInt = -1
    private let mutex = PthreadMutex()
    private let changed = PthreadCondition()

    // The mutex guards these.
    private var phase = Phase.starting
    /// Taken by the thread, because what it holds, such as the image, is to be gone when the thread has ended.
    private var make: Maker?
    private var jobs: [Job] = []
    private var mustEnd = false

    /// Starts a thread for the queue that `make` returns. `make` is called on the thread, because the
    /// thread that uses a queue first is the only one that may use it. `calls` is that of all threads of the server.
    init(_ calls: CallCopies, _ make: @escaping Maker) throws(VhostUserError) {
        self.calls = calls
        self.make = make
        do throws(SystemCallError) {
            wake = try QueueWake()
            try HostThread.start(named: "vhost-queue") { [self] in serve() }
        } catch {
            throw VhostUserError(error)
        }
        mutex.lock()
        while case .starting = phase { changed.wait(mutex) }
        defer { mutex.unlock() }
        if case .failed(let error) = phase { throw error }
    }

    // MARK: The thread of the session

    /// Runs `body` on the thread of the queue, and waits for its result.
    func run<Result: Sendable>(_ body: @escaping @Sendable (ServedQueue) -> Result) -> Result {
        let answer = Answer<Result>()
        mutex.lock()
        jobs.append { [self] queue in
            let result = body(queue)
            mutex.lock()
            answer.result = result
            mutex.unlock()
            changed.signal()
        }
        mutex.unlock()
        wake.raise()
        mutex.lock()
        defer { mutex.unlock() }
        while true {
            if let result = answer.result { return result }
            waitForChange()
        }
    }

    /// Gives the queue another descriptor for calls; -1 for none. Throws, and changes nothing, if the descriptor
    /// cannot be duplicated.
    ///
    /// The queue may be writing the former one, and writes the next one at once: there are copies of both meanwhile.
    func setCall(_ descriptor: CInt) throws(SystemCallError) {
        let next = descriptor < 0 ? -1 : try calls.add(descriptor)
        run { $0.setCall(descriptor) }
        forgetCall()
        callCopy = next
    }

    /// The queue has no descriptor for calls any more.
    func forgetCall() {
        if callCopy >= 0 { calls.close(callCopy) }
        callCopy = -1
    }

    /// The longest time, in milliseconds, that a call of the session waits for a thread that waits in write(2).
    static let patience = 100

    private func waitForChange() {
        if !changed.wait(mutex, milliseconds: Self.patience) { calls.makeRoom() }
    }

    /// Lets the queue look at its ring and its memory again.
    func nudge() { wake.raise() }

    /// Ends the thread, when all requests of the queue have completed, and waits for that.
    func end() {
        mutex.lock()
        mustEnd = true
        mutex.unlock()
        wake.raise()
        mutex.lock()
        while true {
            if case .ended = phase { break }
            waitForChange()
        }
        mutex.unlock()
        forgetCall()
    }

    /// `@unchecked`: the mutex of the thread guards it.
    private final class Answer<Result>: @unchecked Sendable {
        var result: Result?
    }

    // MARK: The thread of the queue

    private func serve() {
        let end = serveToEnd()
        mutex.lock()
        phase = end
        mutex.unlock()
        changed.signal()
    }

    /// Makes the queue. What that needed is not held any more.
    private func makeQueue() throws(VhostUserError) -> ServedQueue {
        mutex.lock()
        let make = make
        self.make = nil
        mutex.unlock()
        guard let make else { preconditionFailure("a thread makes its queue once") }
        return try make(wake)
    }

    /// The queue is gone when this returns.
    private func serveToEnd() -> Phase {
        let queue: ServedQueue
        do throws(VhostUserError) {
            queue = try makeQueue()
        } catch {
            return .failed(error)
        }
        mutex.lock()
        phase = .serving
        mutex.unlock()
        changed.signal()
        while true {
            queue.turn()
            guard wake.clear() else { continue }
            mutex.lock()
            let jobs = jobs
            self.jobs.removeAll()
            let mustEnd = mustEnd
            mutex.unlock()
            for job in jobs { job(queue) }
            queue.mustServe()
            if mustEnd { return .ended }
        }
    }
}
