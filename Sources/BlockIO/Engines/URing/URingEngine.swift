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
    /// The kernel signals the event in place of the ring's own descriptor, which under DEFER_TASKRUN a
    /// sleeping owner would watch in vain. In the set is what makes the owner look: the ring or the event
    /// in its place, and the timer. With an owner also the wake event: DEFER_TASKRUN (seen with Linux 6.18)
    /// loses the event that a poll of one eventfd in the ring should signal on another.
    private let descriptors: EngineDescriptors
    private var helpers: HelperThreads
    private var timer: RetryTimer
    private var isEnabled: Bool
    private var isWakeArmed = false
    /// io_uring_enter(2) takes no requests, for good.
    private var isRefused = false
    /// Nor does it post completions, whatever the ring says of them.
    private var isSilent = false
    /// Submissions in the two rings, those included that the kernel has not taken.
    private var inRing = 0

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        let isOwned = options.threading == .owned
        let needsEvent = isOwned && options.hasDescriptor
        let made = EngineDescriptors(hasEvent: needsEvent, hasSet: options.hasDescriptor)
        var created: OpaquePointer?
        var error =
            made == nil
            ? -EMFILE
            : unsafe Self.create(&created, image.files, UInt32(options.depth), isOwned)
        if error == 0, let made { error = unsafe Self.connect(made, to: created) }
        guard error == 0, let made, let created = unsafe created else {
            if let created = unsafe created { unsafe cbio_uring_destroy(created) }
            made?.close()
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        isEnabled = !isOwned
        descriptors = made
        unsafe ring = created
        // More than the completion ring holds would go through the kernel's overflow list; one
        // place is for the wake-up.
        let room = unsafe Int(cbio_uring_features(created).completion_entries)
        inFlightLimit = min(options.depth, room - 1)
        helpers = HelperThreads(image: image, engine: .ioURing, wake: made.wake)
        timer = RetryTimer(set: made.set)
        // The descriptor has to tell of requests too that never get to the ring.
        if isEnabled {
            armWake()
            if unsafe cbio_uring_submit(ring) < 0 { comeBackLater() }
        }
    }

    /// Puts what makes the owner look into the set. Returns 0 or -errno.
    private static func connect(_ descriptors: EngineDescriptors, to ring: OpaquePointer?) -> CInt {
        guard let set = descriptors.set else { return 0 }
        do throws(SystemCallError) {
            guard let event = descriptors.event else {
                try set.add(unsafe cbio_uring_descriptor(ring))
                return 0
            }
            let error = unsafe cbio_uring_register_eventfd(ring, event.descriptor)
            if error != 0 { return error }
            try set.add(event.descriptor)
            try set.add(descriptors.wake.descriptor)
            return 0
        } catch {
            return -error.errno
        }
    }

    var descriptor: CInt { descriptors.set?.descriptor ?? -1 }

    var inFlight: Int { inRing &- Int(unsafe cbio_uring_unsubmitted(ring)) &+ helpers.inFlight }

    var wakeEvent: WakeEvent { .event(descriptors.wake) }

    var pollerOperations: UInt64 { helpers.pollerOperations }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        makeReady()
        repeat {
            prepare(&pending)
            if !settle(unsafe cbio_uring_submit(ring), &answered) { return }
        } while unsafe cbio_uring_unsubmitted(ring) > 0
            || !pending.isEmpty && inRing < inFlightLimit
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        // While the kernel takes no poll of the wake event, the set has it, and only this clears it.
        var isWoken = (isRefused || timer.isArmed) && descriptors.wake.clear()
        makeReady()
        timer.disarm()
        let before = answered.count
        prepare(&pending)
        // The ring was full: a wait must not begin without the rest.
        if !pending.isEmpty && inRing < inFlightLimit { submit(&pending, answered: &answered) }
        if unsafe cbio_uring_unsubmitted(ring) == 0 && takeCompletions(&answered) { isWoken = true }
        let help = helpers.serveIfDue(isIdleBeside: inRing == 0, &answered)
        let mayWait = minimum > 0 && answered.count == before && !isWoken
        // At least one: a wake-up counts too, and brings the answers of helpers. No more than one while
        // others wait for the room that it makes.
        let most = pending.isEmpty ? max(1, min(minimum, inRing)) : 1
        let awaited = mayWait ? most : 0
        let span = help == .later ? limit.atMost(HelperThreads.patience) : limit
        let entered = unsafe cbio_uring_submit_and_wait(ring, UInt32(awaited), span.rawNanoseconds)
        var end = WaitEnd.normal
        if entered >= 0 {
            timer.succeeded()
            // An entry that the kernel refuses ends a submission; what is behind it goes on.
            if unsafe cbio_uring_unsubmitted(ring) > 0 { submit(&pending, answered: &answered) }
            if takeCompletions(&answered) { isWoken = true }
        } else {
            let isEnough = !mayWait || isWoken
            end = reapAfter(entered, limit, isEnough ? 0 : before &+ 1, &answered, &isWoken)
        }
        if isWoken && end == .normal { end = .woken }
        if let event = descriptors.event { quiet(event) }
        if help != .none { comeBack(for: help) }
        return end
    }

    /// The rest of `reap` when io_uring_enter(2) failed. It waits outside the ring while less than `least`
    /// is in `answered`.
    @inline(never)
    private mutating func reapAfter(
        _ answer: CInt, _ limit: WaitLimit, _ least: Int, _ answered: inout RequestFIFO,
        _ isWoken: inout Bool
    ) -> WaitEnd {
        let isTaken = settle(answer, &answered)
        // Under DEFER_TASKRUN nothing is posted by a call that fails to submit.
        if unsafe !isTaken && cbio_uring_has_unposted(ring) { _ = unsafe cbio_uring_post(ring) }
        if takeCompletions(&answered) { isWoken = true }
        if answer == -EINTR { return .interrupted }
        guard !isTaken, answered.count < least, !isWoken else { return .normal }
        let end = waitOutside(limit)
        helpers.collect(into: &answered)
        return end
    }

    mutating func cancel(_ request: RequestPointer) {
        if helpers.isFor(request) {
            helpers.cancel(request)
        } else if prepared({ unsafe cbio_uring_prepare_cancel(ring, request.base) }) {
            _ = unsafe cbio_uring_submit(ring)
        }
    }

    mutating func shutDown() {
        helpers.stop()
        unsafe cbio_uring_destroy(ring)
        descriptors.close()
    }

    /// The kernel binds the ring to the thread that enables it: the first to use it.
    private mutating func makeReady() {
        if isWakeArmed { return }
        if !isEnabled {
            _ = unsafe cbio_uring_enable(ring)
            isEnabled = true
        }
        armWake()
    }

    /// A poll of the wake descriptor, always in the ring while the queue is at rest.
    private mutating func armWake() {
        isWakeArmed = prepared { unsafe cbio_uring_prepare_wake(ring, descriptors.wake.descriptor) }
    }

    /// Tries again after making room in a full submission ring.
    private func prepared(_ prepare: () -> Bool) -> Bool {
        if prepare() { return true }
        _ = unsafe cbio_uring_submit(ring)
        return prepare()
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
            guard let request = pending.head, helpers.isFor(request) else { return }
            _ = pending.popFirst()
            helpers.enqueue(request)
        }
    }

    /// Looks at what io_uring_enter(2) answered. True when the kernel took what there was, or may take
    /// the rest at once; false when it did not. An error that will not pass (EPERM of a seccomp filter)
    /// ends what has been prepared.
    private mutating func settle(_ answer: CInt, _ answered: inout RequestFIFO) -> Bool {
        if answer >= 0 {
            timer.succeeded()
            return true
        }
        switch -answer {
        case EINTR: return true
        case EAGAIN, EBUSY, ENOMEM: comeBackLater()
        default: withdraw(answer, &answered)
        }
        return false
    }

    /// After a submission for which the kernel has no resources. The poll of the wake event may be part of
    /// it, so that the ring does not tell of a wake.
    @inline(never)
    private mutating func comeBackLater() {
        timer.arm(orWake: descriptors.wake)
        showWake()
    }

    /// Puts the wake event itself into the set. In a set that has it already this changes nothing.
    private func showWake() { try? descriptors.set?.add(descriptors.wake.descriptor) }

    @inline(never)
    private mutating func withdraw(_ answer: CInt, _ answered: inout RequestFIFO) {
        inRing &-= Int(unsafe cbio_uring_withdraw(ring, &answered.list, answer))
        isRefused = true
        // Whether or not the ring still polls the wake event, nobody learns of it from there.
        isWakeArmed = false
        showWake()
        // Submitting may be all that is refused.
        isSilent = unsafe cbio_uring_post(ring) < 0
        // Whoever submits leaves the wake to whoever sleeps.
        if takeCompletions(&answered) { descriptors.wake.signal() }
        if unsafe isSilent && inRing > 0 && cbio_uring_features(ring).defer_taskrun {
            fatalError(
                "io_uring_enter(2) is refused (\(errnoText(-answer))) while requests are in flight: what "
                    + "became of them cannot be learnt, nor their memory be given back")
        }
    }

    /// A wait when io_uring_enter(2) refuses to: short while anything is under way, which ends without it
    /// in a ring that threads share.
    private mutating func waitOutside(_ limit: WaitLimit) -> WaitEnd {
        let isQuiet = inRing == 0 && helpers.inFlight == 0 && !timer.isArmed
        let span = isQuiet ? limit : limit.atMost(timer.pause)
        switch descriptors.wake.wait(span) {
        case .interrupted: return .interrupted
        case .timedOut: return .normal
        case .readable:
            // The poll of it in the ring, if there is one, tells as well.
            if !isWakeArmed { descriptors.wake.clear() }
            return .woken
        }
    }

    /// Moves what the kernel has completed to `answered`. True when the wake event was among it.
    private mutating func takeCompletions(_ answered: inout RequestFIFO) -> Bool {
        let before = answered.count
        var isWoken = false
        unsafe cbio_uring_reap(ring, &answered.list, &isWoken)
        inRing &-= answered.count &- before
        if isWoken {
            descriptors.wake.clear()
            armWake()
            _ = settle(unsafe cbio_uring_submit(ring), &answered)
        }
        helpers.collect(into: &answered)
        return isWoken
    }

    /// Makes the descriptor readable when the owner has a call to make for want of a thread.
    @inline(never)
    private mutating func comeBack(for help: HelperThreads.Help) {
        switch help {
        case .none: break
        case .now: descriptors.wake.signal()
        case .later: timer.arm(after: HelperThreads.patience, orWake: descriptors.wake)
        }
    }

    /// Clears the event that stands for the ring. Only after the kernel was entered, because posting
    /// completions there signals it again; what came since then shows in the ring's flags.
    private func quiet(_ event: Event) {
        event.clear()
        // The kernel posts a limited number at a time and does not signal the rest. A submission posts
        // some as well.
        if unsafe !isSilent && cbio_uring_has_more(ring) { event.signal() }
    }
}

extension URingEngine {
    private static func create(
        _ ring: inout OpaquePointer?, _ files: [HostFile], _ entries: UInt32, _ isOwned: Bool
    ) -> CInt {
        let descriptors = files.map(\.descriptor)
        return unsafe cbio_uring_create(&ring, descriptors, UInt32(files.count), entries, isOwned)
    }
}
