import BlockHost
import Glibc
import GuestMemory
import VirtioBlock

/// One virtqueue with its ring, its descriptors and its event loop. It belongs to the thread of the queue.
///
/// | phase | event | next phase |
/// |---|---|---|
/// | stopped | `start` | running |
/// | running | `stop` | stopping: requests under way complete into the ring |
/// | stopping | the last request completes | stopped; `news` is signaled |
final class ServedQueue {
    /// What the ring is doing.
    enum Phase: Sendable { case stopped, running, stopping }

    /// What the front end has said of a ring that is to run.
    struct Start: Sendable {
        let layout: VirtqueueLayout
        let nextAvailable: UInt16
        /// The requests under way are recorded there.
        let inflight: (region: InflightRegion, index: Int)?
        /// Whether the ring takes requests.
        let isEnabled: Bool
    }

    private struct State: ~Copyable {
        var phase = Phase.stopped
        /// Written by the driver; -1 when there is none.
        var kick: CInt = -1
        /// Written for the driver; -1 when there is none.
        var call: CInt = -1
        /// Written when the ring is broken; -1 when there is none.
        var error: CInt = -1
        /// The front end has no kick descriptor: the ring is looked at from time to time.
        var isPolled = false
        var isServeDue = false
        /// The ring has broken a rule since its start.
        var isBroken = false
        /// The front end has gone: when the ring has stopped, the descriptors are closed.
        var isDisconnected = false
        /// Where the next start goes on.
        var nextAvailable: UInt16 = 0
        var polling: AdaptivePolling
        /// When the queue had nothing to do any more.
        var idleSince: UInt64 = 0
        /// The size of the image when it was looked at last.
        var imageSize: UInt64
        var kicks: UInt64 = 0
        var calls: UInt64 = 0
    }

    private let queue: VirtioBlockQueue
    private let space: AddressSpace
    private let loop: EventLoop
    private let wake: QueueWake
    /// Signaled when the session has to look at the ring.
    private let news: Event
    /// Behind a pointer, so that no access is checked at run time.
    private let state: StablePointer<State>

    init(
        _ queue: VirtioBlockQueue, _ space: AddressSpace, _ wake: QueueWake, news: Event,
        pollLimit: UInt64
    ) throws(SystemCallError) {
        loop = try EventLoop()
        try loop.add(wake.descriptor)
        try loop.add(queue.descriptor)
        self.queue = queue
        self.space = space
        self.wake = wake
        self.news = news
        state = StablePointer(
            allocating: State(
                polling: AdaptivePolling(limit: pollLimit), imageSize: queue.device.image.size))
    }

    deinit {
        setKick(-1, isPolled: false)
        setCall(-1)
        setError(-1)
        // Only this object has the pointer.
        unsafe state.destroy()
    }

    // MARK: The ring

    var phase: Phase { state.pointee.phase }

    /// Whether the ring has broken a rule since its start.
    var isBroken: Bool { state.pointee.isBroken }

    /// Where the next start goes on, of a ring that has stopped.
    var nextAvailable: UInt16 { state.pointee.nextAvailable }

    /// Attaches the ring. If it cannot be used, the front end is told by its error descriptor, and the
    /// ring stays stopped.
    func start(_ start: Start) throws(VirtioError) {
        precondition(state.pointee.phase == .stopped, "the ring runs already")
        do throws(VirtioError) {
            try attach(start)
        } catch {
            signalError()
            throw error
        }
        queue.setEnabled(start.isEnabled)
        state.pointee.isBroken = false
        state.pointee.phase = .running
        state.pointee.isServeDue = true
        // The ring may have requests that completed when there was no call descriptor, and that nobody announces
        // any more.
        signalCall()
    }

    private func attach(_ start: Start) throws(VirtioError) {
        guard let (region, index) = start.inflight else {
            return try queue.start(start.layout, nextAvailable: start.nextAvailable)
        }
        let log = InflightLog(region, index, size: start.layout.size)
        let used: UInt16
        do throws(GuestMemoryError) {
            used = try space.load(at: start.layout.used &+ 2, as: UInt16.self)
        } catch {
            throw .memory(error)
        }
        let heads = log.resume(usedIndex: used)
        // The requests that were taken are those of the used ring, and those under way. The front end cannot know
        // the second number: some say the index of the available ring, which counts requests that nobody took.
        let next = used &+ UInt16(truncatingIfNeeded: heads.count)
        try queue.start(
            start.layout, nextAvailable: next, nextUsed: nil, inflight: log, resuming: heads)
    }

    /// A ring that is not enabled takes no requests.
    func setEnabled(_ isEnabled: Bool) {
        queue.setEnabled(isEnabled)
        // A kick that came before is not repeated.
        state.pointee.isServeDue = true
    }

    /// Takes no more requests. `news` is signaled when those under way have completed.
    func stop() {
        guard state.pointee.phase == .running else { return }
        state.pointee.phase = .stopping
        if queue.isRunning { queue.stop() } else { queue.reset() }
        state.pointee.isServeDue = true
    }

    /// Stops a ring that is to go on at ``nextAvailable``. Returns false, and does nothing, if the ring does not
    /// run, or breaks a rule.
    func pause() -> Bool {
        guard state.pointee.phase == .running, !isBroken else { return false }
        stop()
        return true
    }

    /// Stops, as the front end has gone. The requests under way are still announced, and then the descriptors are
    /// closed.
    func disconnect() {
        setKick(-1, isPolled: false)
        stop()
        state.pointee.isDisconnected = true
        if state.pointee.phase == .stopped { closeDescriptors() }
    }

    private func closeDescriptors() {
        state.pointee.isDisconnected = false
        setCall(-1)
        setError(-1)
    }

    private func finishStopping() {
        guard state.pointee.phase == .stopping, queue.isIdle, !queue.isResetting else { return }
        state.pointee.nextAvailable = queue.end()
        state.pointee.phase = .stopped
        if state.pointee.isDisconnected { closeDescriptors() }
        news.signal()
    }

    // MARK: Descriptors

    /// Takes over the descriptor of kicks; -1 for none. Returns 0, or the errno if it cannot be watched; it
    /// is closed then. Without a descriptor, `isPolled` says whether the ring is looked at nevertheless.
    @discardableResult
    func setKick(_ descriptor: CInt, isPolled: Bool) -> CInt {
        if state.pointee.kick >= 0 {
            loop.remove(state.pointee.kick)
            close(state.pointee.kick)
        }
        state.pointee.kick = -1
        state.pointee.isPolled = isPolled
        guard descriptor >= 0 else { return 0 }
        do throws(SystemCallError) {
            // It need not be read, and one that is always readable does not keep the thread busy.
            try loop.addEdgeTriggered(descriptor)
        } catch {
            close(descriptor)
            return error.errno
        }
        state.pointee.kick = descriptor
        return 0
    }

    /// Takes over the descriptor of calls; -1 for none. While the front end keeps it full and blocking, this thread
    /// waits: see ``CallCopies``.
    func setCall(_ descriptor: CInt) {
        if state.pointee.call >= 0 { close(state.pointee.call) }
        state.pointee.call = descriptor
        // What completed before has been announced to the former descriptor, or to none.
        if state.pointee.phase != .stopped { signalCall() }
    }

    /// Takes over the descriptor of errors; -1 for none.
    func setError(_ descriptor: CInt) {
        if state.pointee.error >= 0 { close(state.pointee.error) }
        state.pointee.error = descriptor
    }

    private func signalCall() {
        guard state.pointee.call >= 0 else { return }
        // It is the front end's descriptor; if it cannot be written, that is the front end's loss.
        if SharedEvent.signalUnchecked(state.pointee.call) { state.pointee.calls &+= 1 }
    }

    /// Tells the front end that the ring cannot be used.
    func signalError() {
        if state.pointee.error >= 0 { SharedEvent.signal(state.pointee.error) }
    }

    // MARK: Service

    /// The next turn serves the queue, whatever the descriptors say.
    func mustServe() { state.pointee.isServeDue = true }

    /// Waits for something to do, and does it.
    func turn() {
        if !state.pointee.isServeDue { wait() }
        guard state.pointee.isServeDue else { return }
        state.pointee.isServeDue = false
        serve()
        finishStopping()
        if !state.pointee.isServeDue && !wake.isRaised { poll() }
    }

    /// One service. Returns whether there was anything to do.
    @discardableResult
    private func serve() -> Bool {
        let service = queue.serve { signalCall() }
        if service.isInterruptDue { signalCall() }
        if service.isBroken {
            state.pointee.isBroken = true
            signalError()
        }
        if service.isMoreWaiting { state.pointee.isServeDue = true }
        if service.completed > 0 { noteSize() }
        return service.taken > 0 || service.completed > 0
    }

    /// Changes the size of the image, and waits for that and for the writes under way, in all queues.
    func resize(to size: UInt64) throws(VirtioError) {
        try queue.resize(to: size)
        state.pointee.imageSize = queue.device.image.size
        // What has completed meanwhile.
        state.pointee.isServeDue = true
    }

    /// Requests can change the size of the image, or find out that it has changed.
    private func noteSize() {
        let size = queue.device.image.size
        guard size != state.pointee.imageSize else { return }
        state.pointee.imageSize = size
        news.signal()
    }

    private func wait() {
        let limit: CInt = state.pointee.isPolled && queue.isRunning ? 1 : -1
        var isDue = limit >= 0
        var kicks: UInt64 = 0
        let kick = state.pointee.kick
        do throws(SystemCallError) {
            try loop.wait(limit) { descriptor in
                isDue = true
                if descriptor == kick { kicks += 1 }
            }
        } catch {
            preconditionFailure("\(error)")
        }
        state.pointee.kicks &+= kicks
        if isDue { state.pointee.isServeDue = true }
        guard state.pointee.polling.limit > 0 else { return }
        state.pointee.polling.noteIdle(
            nanoseconds: monotonicNanoseconds() &- state.pointee.idleSince)
    }

    /// Looks for work for a while, before the thread sleeps.
    private func poll() {
        guard state.pointee.polling.limit > 0 else { return }
        state.pointee.idleSince = monotonicNanoseconds()
        guard queue.isRunning, state.pointee.polling.window > 0 else { return }
        queue.setPolling(true)
        while !wake.isRaised && queue.isRunning {
            state.pointee.isServeDue = false
            let isBusy = serve()
            let now = monotonicNanoseconds()
            if isBusy {
                state.pointee.idleSince = now
            } else if now &- state.pointee.idleSince > state.pointee.polling.window {
                break
            }
        }
        queue.setPolling(false)
        // What came without a kick, and from here on each has one.
        if serve() { state.pointee.isServeDue = true }
    }

    /// Adds what the queue has done.
    func add(to statistics: inout VhostUserStatistics) {
        statistics.kicks &+= state.pointee.kicks
        statistics.calls &+= state.pointee.calls
        statistics.requests &+= queue.statistics.requests
        statistics.requestsByQueue.append(queue.statistics.requests)
        statistics.failures &+= queue.statistics.failures
    }
}
