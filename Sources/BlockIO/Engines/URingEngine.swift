import CBlockIO
import Glibc

/// io_uring(7): submissions and completions through two rings shared with the kernel.
///
/// With one thread that both submits and waits the ring is made for that thread (SINGLE_ISSUER,
/// DEFER_TASKRUN, registered ring descriptor) and enabled at its first use, because the kernel
/// binds a ring to the thread that enables it. Shared between threads it is a plain ring: then a
/// request completes even when its submitter never enters the kernel again.
struct URingEngine: ~Copyable, Engine {
    private let ring: OpaquePointer
    private let inFlightLimit: Int
    private let wakeDescriptor: CInt
    /// Signalled by the kernel in place of the ring's own descriptor, which under DEFER_TASKRUN a
    /// sleeping owner would watch in vain; -1 for none.
    private let eventDescriptor: CInt
    /// With an owner a set of the two above: DEFER_TASKRUN (seen with Linux 6.18) loses the event
    /// that a poll of one eventfd in the ring should signal on another.
    let descriptor: CInt
    private var helpers: HelperThreads
    private var isEnabled: Bool
    private var isWakeArmed = false
    private var inRing = 0

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        let isOwned = options.threading == .owned
        isEnabled = !isOwned
        let needsEvent = isOwned && options.hasDescriptor
        wakeDescriptor = cbio_eventfd()
        eventDescriptor = needsEvent ? cbio_eventfd() : -1
        let either = needsEvent ? cbio_either_readable(eventDescriptor, wakeDescriptor) : -1
        var created: OpaquePointer?
        var error =
            wakeDescriptor < 0 || (needsEvent && either < 0)
            ? -EMFILE
            : cbio_uring_create(&created, image.descriptor, UInt32(options.depth), isOwned)
        if error == 0, needsEvent { error = cbio_uring_register_eventfd(created, eventDescriptor) }
        guard error == 0, let created else {
            if let created { cbio_uring_destroy(created) }
            if wakeDescriptor >= 0 { close(wakeDescriptor) }
            if eventDescriptor >= 0 { close(eventDescriptor) }
            if either >= 0 { close(either) }
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        ring = created
        descriptor =
            !options.hasDescriptor
            ? -1 : needsEvent ? either : cbio_uring_descriptor(created)
        // More than the completion ring holds would go through the kernel's overflow list; one
        // place is for the wake-up.
        inFlightLimit = Int(cbio_uring_features(created).completion_entries) - 1
        helpers = HelperThreads(image: image, wakeDescriptor: wakeDescriptor)
        // The descriptor has to tell of requests too that never get to the ring.
        if isEnabled { armWake() }
    }

    var inFlight: Int { inRing &+ helpers.inFlight }

    var wakeEvent: WakeEvent { .descriptor(wakeDescriptor) }

    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        makeReady()
        repeat {
            prepare(&pending)
            let taken = cbio_uring_submit(ring)
            if taken == -EINTR { continue }
            check(taken)
            // EAGAIN, EBUSY, ENOMEM: what is prepared goes with the next call.
            if taken <= 0 { return }
        } while !pending.isEmpty && inRing < inFlightLimit
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        makeReady()
        if eventDescriptor >= 0 { cbio_eventfd_clear(eventDescriptor) }
        defer {
            // The kernel posts a limited number at a time and does not signal the rest.
            if eventDescriptor >= 0 && cbio_uring_has_unposted(ring) {
                cbio_eventfd_signal(eventDescriptor)
            }
        }
        prepare(&pending)
        var wanted = minimum
        if cbio_uring_unsubmitted(ring) == 0 {
            let (taken, isWoken) = takeCompletions(&finished)
            wanted -= taken
            if minimum > 0 && (wanted <= 0 || isWoken) { return .normal }
        }
        // What is left waits for a thread; nothing that ends in the ring would tell of one.
        if minimum > 0 && inFlight == 0 && !pending.isEmpty {
            limit.pauseForResources()
            return .normal
        }
        // At least one: a wake-up counts too, and brings what helpers have ended.
        let awaited = wanted > 0 ? max(1, min(wanted, inRing)) : 0
        let entered = cbio_uring_submit_and_wait(ring, UInt32(awaited), limit.rawNanoseconds)
        check(entered)
        let (taken, _) = takeCompletions(&finished)
        if entered == -EINTR { return .interrupted }
        if entered < 0 && taken == 0 && inRing == Int(cbio_uring_unsubmitted(ring)) {
            limit.pauseForResources()
        }
        return .normal
    }

    mutating func cancel(_ request: RequestPointer) {
        if request.pointee.engine.operation.needsHelper {
            helpers.cancel(request)
        } else if prepared({ cbio_uring_prepare_cancel(ring, request) }) {
            check(cbio_uring_submit(ring))
        }
    }

    mutating func shutDown() {
        helpers.stop()
        cbio_uring_destroy(ring)
        close(wakeDescriptor)
        if eventDescriptor >= 0 {
            close(eventDescriptor)
            close(descriptor)
        }
    }

    /// The kernel binds the ring to the thread that enables it: the first to use it.
    private mutating func makeReady() {
        if isWakeArmed { return }
        if !isEnabled {
            check(cbio_uring_enable(ring))
            isEnabled = true
        }
        armWake()
    }

    /// A poll of the wake descriptor, always in the ring while the queue is at rest.
    private mutating func armWake() {
        isWakeArmed = prepared { cbio_uring_prepare_wake(ring, wakeDescriptor) }
        check(cbio_uring_submit(ring))
    }

    /// Tries again after making room in a full submission ring.
    private func prepared(_ prepare: () -> Bool) -> Bool {
        if prepare() { return true }
        check(cbio_uring_submit(ring))
        return prepare()
    }

    private mutating func prepare(_ pending: inout RequestFIFO) {
        while inRing < inFlightLimit, !pending.isEmpty {
            var behind: UnsafeMutablePointer<cbio_operation>?
            let prepared = Int(
                cbio_uring_prepare(
                    ring, pending.list.first, UInt32(inFlightLimit &- inRing), &behind))
            pending.removeFirst(prepared, upTo: behind)
            inRing &+= prepared
            // What stopped it: a full ring, or one for the helpers.
            guard let request = pending.head, inRing < inFlightLimit,
                request.pointee.engine.operation.needsHelper
            else { return }
            _ = pending.popFirst()
            if !helpers.enqueue(request) { return pending.prepend(request) }
        }
    }

    private mutating func takeCompletions(
        _ finished: inout RequestFIFO
    ) -> (taken: Int, isWoken: Bool) {
        let before = finished.count
        var isWoken = false
        cbio_uring_reap(ring, &finished.list, &isWoken)
        inRing &-= finished.count &- before
        if isWoken {
            cbio_eventfd_clear(wakeDescriptor)
            armWake()
        }
        helpers.collect(into: &finished)
        return (finished.count &- before, isWoken)
    }

    /// EEXIST is the kernel's answer to a thread that is not the ring's.
    private func check(_ result: CInt) {
        if result == -EEXIST {
            preconditionFailure(
                "a queue with threading .owned was used by a second thread; see QueueThreading")
        }
    }
}

extension URingEngine {
    /// Tries a small ring; `nil` when io_uring can run an image on this descriptor.
    static func refusal(descriptor: CInt) -> EngineRefusal? {
        var created: OpaquePointer?
        let error = cbio_uring_create(&created, descriptor, 4, false)
        guard error == 0, let created else { return refusal(errno: -error) }
        defer { cbio_uring_destroy(created) }
        guard cbio_uring_features(created).waits_with_limit else {
            return EngineRefusal(
                reason: "io_uring needs Linux 5.11 or later here; this kernel's cannot wait with a "
                    + "timeout (IORING_FEAT_EXT_ARG)",
                errno: EOPNOTSUPP)
        }
        var call: UnsafePointer<CChar>?
        let probed = cbio_uring_probe(created, &call)
        return probed == 0
            ? nil
            : refusal(errno: -probed, of: call.map { String(cString: $0) } ?? "io_uring_setup(2)")
    }

    static func refusal(errno: CInt, of call: String = "io_uring_setup(2)") -> EngineRefusal {
        let reason: String
        switch errno {
        case EPERM, EACCES:
            let setting =
                ProcFile.firstLine(of: "/proc/sys/kernel/io_uring_disabled") ?? "0"
            reason =
                setting == "0" || call != "io_uring_setup(2)"
                ? "the process may not use io_uring: \(call) failed with \(errnoText(errno)); an "
                    + "administrator can allow \(call) in the seccomp profile of the container or "
                    + "service"
                : "the sysctl kernel.io_uring_disabled is \(setting); an administrator can set it "
                    + "to 0, or to 1 with this process in the group kernel.io_uring_group"
        case ENOSYS:
            reason =
                "the kernel has no io_uring, or a seccomp profile hides it: \(call) failed with "
                + "\(errnoText(errno)); an administrator can allow \(call) there, or boot a kernel "
                + "built with CONFIG_IO_URING"
        case ENOMEM:
            reason =
                "no memory for the rings; an administrator can raise RLIMIT_MEMLOCK of this "
                + "process (kernels before 5.12 charge rings to it) or the cgroup's memory limit"
        case EMFILE, ENFILE:
            reason = "no descriptor is left; an administrator can raise RLIMIT_NOFILE"
        case EOPNOTSUPP:
            reason = "the kernel's io_uring lacks an operation (read, write or fsync); update it"
        default:
            reason = "\(call) failed: \(errnoText(errno))"
        }
        return EngineRefusal(reason: reason, errno: errno)
    }
}
