import BlockHost
import CBlockIO
import Glibc

/// io_uring(7): submissions and completions through two rings shared with the kernel.
///
/// With one thread that both submits and waits the ring is made for that thread (SINGLE_ISSUER,
/// DEFER_TASKRUN, registered ring descriptor) and enabled at its first use, because the kernel
/// binds a ring to the thread that enables it. Shared between threads it is a plain ring: then a
/// request completes even when its submitter never enters the kernel again.
///
/// Safe, because the ring, which only this engine knows, is there from `init` to ``shutDown()``.
@safe struct URingEngine: ~Copyable, Engine {
    private let ring: OpaquePointer
    private let inFlightLimit: Int
    /// Wakes the owner, from any thread. With a descriptor, the event is that descriptor: the kernel signals
    /// the event when requests have completed, in place of the ring's own descriptor, which under
    /// DEFER_TASKRUN a sleeping owner would watch in vain. Without one, the ring polls the event.
    private let event: Event
    private let hasDescriptor: Bool
    /// Somebody watches the descriptor. Otherwise the event is not read.
    private var isWatched = true
    /// Completions are found only by entering the kernel, which then polls the device.
    private let pollsDevice: Bool
    /// A wait need not be one in the ring.
    private let canWaitOutside: Bool
    /// The owner looks for completions for a moment before it sleeps in the ring.
    private let looksBeforeSleep: Bool
    private var habit = LookHabit()
    private var helpers: HelperThreads
    private var isEnabled: Bool
    /// The ring is enabled, and polls the event if it has to.
    private var isReady = false
    /// Other threads may signal the event.
    private var isOpenToWakes = false
    /// The ring polls the event.
    private var isWakeArmed = false
    /// io_uring_enter(2) posts no completions, for good, whatever the ring says of them.
    private var isSilent = false
    /// Submissions in the two rings, those included that the kernel has not taken.
    private var inRing = 0

    /// Steps that the kernel does in one visit at least, if there are so many (Linux 6.18: 20). It does not
    /// signal the event for those that it leaves.
    private static let stepsOfAVisit = 16
    /// The longest wait, in nanoseconds, for an event that the kernel does not poll for want of resources.
    private static let longestBlindWait: Int64 = 1_000_000

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        if options.ring.pollsDevice { try Self.checkPolling(image, options) }
        let isOwned = options.threading == .owned
        let made = try? Event()
        var created: OpaquePointer?
        var error =
            made == nil
            ? -EMFILE
            : unsafe Self.create(&created, image.files, options)
        if error == 0, options.hasDescriptor, let made {
            error = unsafe cbio_uring_register_eventfd(created, made.descriptor)
        }
        guard error == 0, let made, let created = unsafe created else {
            if let created = unsafe created { unsafe cbio_uring_destroy(created) }
            made?.close()
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        isEnabled = !isOwned
        pollsDevice = options.ring.pollsDevice
        canWaitOutside = options.hasDescriptor || options.ring.pollsDevice
        looksBeforeSleep =
            isOwned && !options.ring.pollsDevice && sysconf(CInt(_SC_NPROCESSORS_ONLN)) > 1
        hasDescriptor = options.hasDescriptor
        event = made
        unsafe ring = created
        // More than the completion ring holds would go through the kernel's overflow list; one
        // place is for the wake-up.
        let room = unsafe Int(cbio_uring_features(created).completion_entries)
        inFlightLimit = min(options.depth, room - 1)
        helpers = HelperThreads(image: image, engine: .ioURing, wake: made)
    }

    var descriptor: CInt { hasDescriptor ? event.descriptor : -1 }

    var inFlight: Int { inRing &- Int(unsafe cbio_uring_unsubmitted(ring)) &+ helpers.inFlight }

    var wakeEvent: WakeEvent { .event(event) }

    mutating func openToWakes() {
        isOpenToWakes = true
        isReady = false
    }

    /// The kernel and the helpers signal the event in any case, so there is nothing to make up for.
    mutating func setDescriptorWatched(_ isWatched: Bool) {
        self.isWatched = isWatched
    }

    var pollerOperations: UInt64 { helpers.pollerOperations }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        makeReady()
        repeat {
            prepare(&pending)
            // A thread of the kernel takes what is in the ring when it gets to it.
            let isFull = !pending.isEmpty && inRing < inFlightLimit
            settle(
                unsafe isFull ? cbio_uring_make_room(ring) : cbio_uring_submit(ring), &answered)
        } while unsafe cbio_uring_unsubmitted(ring) > 0
            || !pending.isEmpty && inRing < inFlightLimit
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        makeReady()
        let before = answered.count
        prepare(&pending)
        // The ring was full: a wait must not begin without the rest.
        if !pending.isEmpty && inRing < inFlightLimit { submit(&pending, answered: &answered) }
        // The first request for the helpers may have been among them: from then on a wait ends by the event.
        if !isReady { makeReady() }
        var isWoken = false
        if unsafe cbio_uring_unsubmitted(ring) == 0 && takeCompletions(&answered) { isWoken = true }
        var help = helpers.serveIfDue(isIdleBeside: inRing == 0, &answered)
        let mayWait = minimum > 0 && answered.count == before && !isWoken
        // The kernel does not end a wait in the ring because of an event that the ring does not poll.
        // While it polls the device, a wait ends by what is in flight.
        var waitsOutside = mayWait && canWaitOutside
        if waitsOutside { waitsOutside = pollsDevice ? inRing == 0 : mayBeWoken }
        // At least one: a wake-up counts too, and brings the answers of helpers. No more than one while
        // others wait for the room that it makes.
        let most = pending.isEmpty ? max(1, min(minimum, inRing)) : 1
        var awaited = mayWait && !waitsOutside ? most : 0
        var span = help == .later ? limit.atMost(HelperThreads.patience) : limit
        // One that waits for the only request sleeps: it has nothing to do meanwhile.
        let hasNews = inRing > 1 && awaited == 1 && looksBeforeSleep && look(limit)
        if hasNews { awaited = 0 }
        let entered = unsafe cbio_uring_submit_and_wait(ring, UInt32(awaited), span.rawNanoseconds)
        var end = WaitEnd.normal
        if entered >= 0 {
            // An entry that the kernel refuses ends a submission; what is behind it goes on.
            if unsafe cbio_uring_unsubmitted(ring) > 0 {
                submit(&pending, answered: &answered)
                help = helpRefused(&span, &answered)
            }
            if takeCompletions(&answered) { isWoken = true }
        } else {
            waitsOutside = !reapAfter(entered, &answered, &isWoken) && mayWait
            if entered == -EINTR { end = .interrupted }
            help = helpRefused(&span, &answered)
        }
        // The kernel can announce what it has posted already: then the next wait is a sleep.
        if hasNews { habit.note(answered.count > before) }
        if waitsOutside && end == .normal && answered.count == before && !isWoken {
            end = waitOutside(span, &answered)
        }
        if hasDescriptor {
            if quiet(&answered) { isWoken = true }
            // The owner has a call to make. One that others go before brings the owner back with the last
            // of them.
            if help == .now || help == .later && inRing == 0 { event.signal() }
        }
        return isWoken && end == .normal ? .woken : end
    }

    /// Submits what has been prepared, and looks whether something completes in the time that it takes to fall
    /// asleep and to be woken.
    @inline(never)
    private mutating func look(_ limit: WaitLimit) -> Bool {
        guard !limit.hasPassed, habit.shouldLook() else { return false }
        if unsafe cbio_uring_unsubmitted(ring) > 0 { _ = unsafe cbio_uring_submit(ring) }
        // The caller offers the rest again, and hears what is wrong.
        if unsafe cbio_uring_unsubmitted(ring) > 0 { return false }
        if unsafe cbio_uring_look(ring, UInt32(LookHabit.rounds)) { return true }
        habit.note(false)
        return false
    }

    /// What to do in `reap` when io_uring_enter(2) failed. True when all that was prepared is in the ring, or
    /// may be offered again at once.
    @inline(never)
    private mutating func reapAfter(
        _ answer: CInt, _ answered: inout RequestFIFO, _ isWoken: inout Bool
    ) -> Bool {
        settle(answer, &answered)
        // Under DEFER_TASKRUN nothing is posted by a call that fails to submit.
        if unsafe cbio_uring_has_unposted(ring) { _ = unsafe cbio_uring_post(ring) }
        if takeCompletions(&answered) { isWoken = true }
        return answer == -EINTR
    }

    /// What the kernel has just refused may be with the helpers, and perhaps only the owner can serve it.
    @inline(never)
    private mutating func helpRefused(
        _ span: inout WaitLimit, _ answered: inout RequestFIFO
    ) -> HelperThreads.Help {
        let help = helpers.serveIfDue(isIdleBeside: inRing == 0, &answered)
        if help == .later { span = span.atMost(HelperThreads.patience) }
        return help
    }

    mutating func cancel(_ request: RequestPointer) {
        // Any request can be with the helpers, which know those that they have.
        helpers.cancel(request)
        if !isForHelpers(request),
            prepared({ unsafe cbio_uring_prepare_cancel(ring, request.base) })
        {
            _ = unsafe cbio_uring_submit(ring)
        }
    }

    mutating func shutDown() {
        helpers.stop()
        unsafe cbio_uring_destroy(ring)
        event.close()
    }

    /// See ``BlockQueue/registerMemory(_:)``. Returns 0 or -errno.
    mutating func registerMemory(_ memory: RegisteredMemory) -> CInt {
        makeReady()
        return unsafe memory.withRegions {
            unsafe cbio_uring_register_memory(ring, $0.baseAddress, UInt32($0.count))
        }
    }

    /// The kernel binds the ring to the thread that enables it: the first to use it.
    private mutating func makeReady() {
        if !isReady { enable() }
    }

    @inline(never)
    private mutating func enable() {
        if !isEnabled { _ = unsafe cbio_uring_enable(ring) }
        isEnabled = true
        let pollsEvent = !hasDescriptor && !pollsDevice && mayBeWoken
        if pollsEvent && !isWakeArmed { armWake() }
        isReady = !pollsEvent || isWakeArmed
    }

    private mutating func giveToHelpers(_ request: RequestPointer) {
        helpers.enqueue(request)
        isReady = false
    }

    /// Whether another thread may end a wait.
    private var mayBeWoken: Bool { isOpenToWakes || helpers.inFlight > 0 }

    /// A poll of the event, which the next submission takes along. If there is no room for it, the next
    /// call tries again.
    private mutating func armWake() {
        isWakeArmed = prepared { unsafe cbio_uring_prepare_wake(ring, event.descriptor) }
        if !isWakeArmed { isReady = false }
    }

    /// Makes room in a full submission ring, and tries again. False when the kernel refuses to make room.
    private func prepared(_ prepare: () -> Bool) -> Bool {
        while !prepare() {
            if unsafe cbio_uring_make_room(ring) < 0 { return false }
        }
        return true
    }

    /// A ring that polls the device takes transfers only.
    private func isForHelpers(_ request: RequestPointer) -> Bool {
        helpers.isFor(request) || pollsDevice && !request.isTransfer
    }

    private mutating func prepare(_ pending: inout RequestFIFO) {
        while !pending.isEmpty {
            if inRing < inFlightLimit {
                var behind: UnsafeMutablePointer<cbio_submission>?
                let prepared = unsafe Int(
                    cbio_uring_prepare(
                        ring, pending.list.first, UInt32(inFlightLimit &- inRing), &behind))
                pending.removeFirst(prepared, upTo: unsafe RequestPointer(behind))
                inRing &+= prepared
            }
            // What stopped it: a full ring, or one for the helpers.
            guard let request = pending.head, isForHelpers(request) else { return }
            _ = pending.popFirst()
            giveToHelpers(request)
        }
    }

    /// Looks at what io_uring_enter(2) answered.
    @inline(__always)
    private mutating func settle(_ answer: CInt, _ answered: inout RequestFIFO) {
        if answer < 0 && answer != -EINTR { withdraw(answer, &answered) }
    }

    /// Takes back what the kernel has refused. What it has no resources for goes to helper threads:
    /// nothing that is in flight need ever end and bring the owner back. An error that will not pass (EPERM
    /// of a seccomp filter) ends what has been prepared.
    @inline(never)
    private mutating func withdraw(_ answer: CInt, _ answered: inout RequestFIFO) {
        var withdrawn = RequestFIFO()
        var isWakeAmong = false
        inRing &-= Int(unsafe cbio_uring_withdraw(ring, &withdrawn.list, answer, &isWakeAmong))
        if isWakeAmong {
            isWakeArmed = false
            isReady = false
        }
        if [-EAGAIN, -EBUSY, -ENOMEM].contains(answer) {
            while let request = withdrawn.popFirst() { giveToHelpers(request) }
        } else {
            answered.append(contentsOf: &withdrawn)
            noteRefusal(answer, &answered)
        }
    }

    @inline(never)
    private mutating func noteRefusal(_ answer: CInt, _ answered: inout RequestFIFO) {
        // Whether or not the ring still polls the event, nobody learns of it from there.
        isWakeArmed = false
        isReady = false
        // Submitting may be all that is refused.
        isSilent = unsafe cbio_uring_post(ring) < 0
        // Whoever submits leaves the wake to whoever sleeps.
        if takeCompletions(&answered) { event.wake() }
        if unsafe isSilent && inRing > 0 && cbio_uring_features(ring).defer_taskrun {
            fatalError(
                "io_uring_enter(2) is refused (\(errnoText(-answer))) while requests are in flight: what "
                    + "became of them cannot be learnt, nor their memory be given back")
        }
    }

    /// A wait for the event.
    private mutating func waitOutside(_ limit: WaitLimit, _ answered: inout RequestFIFO) -> WaitEnd
    {
        let before = answered.count
        // What is signalled after this is seen below, or ends the wait.
        if hasDescriptor && event.take() { return .woken }
        if takePosted(&answered) { return .woken }
        if answered.count > before { return .normal }
        // Without a descriptor the ring does not signal the event: with nothing under way there is only
        // the wake, and otherwise the ring has to be looked at again.
        let isQuiet = inRing == 0 && helpers.inFlight == 0
        let span = hasDescriptor || isQuiet ? limit : limit.atMost(Self.longestBlindWait)
        switch event.wait(span) {
        case .interrupted: return .interrupted
        case .timedOut: return takePosted(&answered) ? .woken : .normal
        case .readable:
            // The poll of it in the ring, if there is one, tells as well.
            let isWoken = !isWakeArmed && event.take()
            let isTold = takePosted(&answered)
            return isWoken || isTold ? .woken : .normal
        }
    }

    /// Takes what the kernel has completed, and enters the kernel if it has to post that first. A step of
    /// the kernel need not complete a submission: it may start it again in a worker of the kernel. True when
    /// the wake event was among what has completed.
    private mutating func takePosted(_ answered: inout RequestFIFO) -> Bool {
        let before = answered.count
        var visits = inRing / Self.stepsOfAVisit + 1
        while visits > 0, !isSilent, unsafe cbio_uring_has_unposted(ring) {
            _ = unsafe cbio_uring_post(ring)
            let isWoken = takeCompletions(&answered)
            if isWoken || answered.count > before { return isWoken }
            visits &-= 1
        }
        return takeCompletions(&answered)
    }

    /// Moves what the kernel has completed to `answered`. True when the wake event was among it.
    private mutating func takeCompletions(_ answered: inout RequestFIFO) -> Bool {
        let before = answered.count
        var isWoken = false
        unsafe cbio_uring_reap(ring, &answered.list, &isWoken)
        inRing &-= answered.count &- before
        if isWoken {
            event.clear()
            armWake()
            settle(unsafe cbio_uring_submit(ring), &answered)
        }
        helpers.collect(into: &answered)
        return isWoken
    }

    /// Clears the event when it is the descriptor. Only after the kernel was entered, because posting
    /// completions there signals it again; what came since then shows in the ring's flags, and what helpers
    /// have done is collected. True when another thread has woken the owner.
    @inline(never)
    private mutating func quiet(_ answered: inout RequestFIFO) -> Bool {
        guard isWatched else { return false }
        let isWoken = event.take()
        helpers.collect(into: &answered)
        let hasMore = unsafe !isSilent && cbio_uring_has_more(ring)
        return hasMore && takeRest(&answered) || isWoken
    }

    /// Takes what the kernel has still to post, and leaves the event signalled if something is left.
    ///
    /// The flags alone do not tell. The kernel sets the one for completions to be posted after it has made
    /// the completion known, perhaps when that has been posted already, and clears it with the next
    /// completion only.
    @inline(never)
    private mutating func takeRest(_ answered: inout RequestFIFO) -> Bool {
        var isWoken = false
        var visits = inRing / Self.stepsOfAVisit + 1
        while unsafe visits > 0 && cbio_uring_has_unposted(ring) {
            let before = answered.count
            _ = unsafe cbio_uring_post(ring)
            _ = takeCompletions(&answered)
            if answered.count == before {
                visits &-= 1
            } else {
                // They have been signalled.
                if event.take() { isWoken = true }
                helpers.collect(into: &answered)
            }
        }
        if unsafe cbio_uring_is_posted(ring) { event.signal() }
        return isWoken
    }
}

extension URingEngine {
    private static func create(
        _ ring: inout OpaquePointer?, _ files: [HostFile], _ options: QueueOptions
    ) -> CInt {
        let descriptors = files.map(\.descriptor)
        // The kernel's own worker threads serve these files, and need not find that out for each request.
        let blocks = files.map { EngineEvidence.hasNoNonblockingPath($0) }
        let setup = cbio_uring_setup(
            entries: UInt32(options.depth), single_owner: options.threading == .owned,
            polls_device: options.ring.pollsDevice,
            submission_thread_idle: UInt32(options.ring.submissionThreadIdle ?? 0))
        return unsafe cbio_uring_create(
            &ring, descriptors, blocks, UInt32(files.count), setup)
    }
}
