import CBlockIO
import Glibc

/// Linux kernel AIO: io_submit(2) and io_getevents(2).
///
/// Only for direct images: on a buffered one io_submit(2) does the whole transfer before it
/// returns. Completions are read from the ring that io_setup(2) maps, and cost a system call
/// only when there is something to wait for.
struct LinuxAIOEngine: ~Copyable, Engine {
    private let context: OpaquePointer
    private let capacity: Int
    private let wakeDescriptor: CInt
    private var helpers: HelperThreads
    private var isWakeArmed = false
    private var inKernel = 0
    private(set) var inlineCompletions: UInt64 = 0
    let descriptor: CInt

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        // The first property is set when nothing can fail any more: the optimiser of Swift 6.3 gets the
        // clean-up of a half-made engine wrong.
        let wake = cbio_eventfd()
        let own = options.hasDescriptor ? cbio_eventfd() : -1
        var created: OpaquePointer?
        let hasDescriptors = wake >= 0 && (own >= 0 || !options.hasDescriptor)
        let error =
            hasDescriptors
            ? cbio_aio_create(&created, image.descriptor, UInt32(options.depth), own) : -EMFILE
        guard error == 0, let created else {
            if wake >= 0 { close(wake) }
            if own >= 0 { close(own) }
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        capacity = options.depth
        wakeDescriptor = wake
        descriptor = own
        context = created
        helpers = HelperThreads(image: image, wakeDescriptor: wake)
        armWake()
    }

    var inFlight: Int { inKernel &+ helpers.inFlight }

    var wakeEvent: WakeEvent { .descriptor(wakeDescriptor) }

    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        while !pending.isEmpty {
            var behind: UnsafeMutablePointer<cbio_operation>?
            let prepared = Int(
                cbio_aio_prepare(
                    context, pending.list.first, UInt32(capacity &- inKernel), &behind))
            if prepared == 0 {
                if giveToHelpers(&pending) { continue }
                // The head waits for room in the kernel's queue, or for a thread.
                return
            }
            let endedBefore = cbio_aio_ready(context)
            let taken = Int(cbio_aio_submit(context, 0, UInt32(prepared)))
            if taken == prepared {
                pending.removeFirst(prepared, upTo: behind)
                inKernel &+= prepared
            } else if !submitRest(prepared, after: taken, &pending, finished: &finished) {
                return
            }
            inlineCompletions &+= UInt64(cbio_aio_ready(context) &- endedBefore)
        }
    }

    /// Goes on after io_submit(2) took less than it was offered, or -errno. False when the kernel
    /// has no room.
    private mutating func submitRest(
        _ prepared: Int, after answer: Int, _ pending: inout RequestFIFO,
        finished: inout RequestFIFO
    ) -> Bool {
        var taken = answer
        var first = 0
        while true {
            if taken > 0 {
                for _ in 0..<taken { _ = pending.popFirst() }
                inKernel &+= taken
                first &+= taken
            } else if taken == 0 || taken == -Int(EAGAIN) || taken == -Int(ENOMEM) {
                return false
            } else if taken != -Int(EINTR), let refused = pending.popFirst() {
                // The kernel names the first request of the call and takes none.
                refused.pointee.result = Int64(taken)
                finished.append(refused)
                first &+= 1
            }
            if first == prepared { return true }
            taken = Int(cbio_aio_submit(context, UInt32(first), UInt32(prepared - first)))
        }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        submit(&pending, finished: &finished)
        if descriptor >= 0 { cbio_eventfd_clear(descriptor) }
        if inFlight == 0 && !pending.isEmpty && minimum > 0 {
            limit.pauseForResources()
            return .normal
        }
        // At least one: a wake-up counts too, and brings what helpers have ended.
        let awaited = minimum > 0 ? max(1, min(minimum, inKernel)) : 0
        let before = finished.count
        var isWoken = false
        let answer = cbio_aio_reap(
            context, &finished.list, &isWoken, UInt32(awaited), limit.rawNanoseconds)
        if answer < 0 { return answer == -EINTR ? .interrupted : .normal }
        inKernel &-= finished.count &- before
        if isWoken {
            cbio_eventfd_clear(wakeDescriptor)
            isWakeArmed = false
        }
        if !isWakeArmed { armWake() }
        helpers.collect(into: &finished)
        return .normal
    }

    /// io_cancel(2) is not known to any file system or block device; only helpers can be asked.
    mutating func cancel(_ request: RequestPointer) { helpers.cancel(request) }

    mutating func shutDown() {
        helpers.stop()
        cbio_aio_destroy(context)
        close(wakeDescriptor)
        if descriptor >= 0 { close(descriptor) }
    }

    private mutating func armWake() {
        isWakeArmed = cbio_aio_arm_wake(context, wakeDescriptor) == 0
    }

    /// Takes the head of `pending` if it is not for the kernel's queue. False when it stays.
    private mutating func giveToHelpers(_ pending: inout RequestFIFO) -> Bool {
        guard let request = pending.head, request.pointee.engine.operation.needsHelper
        else { return false }
        _ = pending.popFirst()
        if helpers.enqueue(request) { return true }
        pending.prepend(request)
        return false
    }
}

extension LinuxAIOEngine {
    /// `nil` when kernel AIO can run an image on this descriptor without blocking the submitter.
    static func refusal(descriptor: CInt, caching: OpenOptions.Caching) -> EngineRefusal? {
        if let refusal = refusal(caching: caching) { return refusal }
        var created: OpaquePointer?
        let error = cbio_aio_create(&created, descriptor, 1, -1)
        guard error == 0, let created else { return refusal(errno: -error) }
        cbio_aio_destroy(created)
        return nil
    }

    /// What is known without a probe.
    static func refusal(caching: OpenOptions.Caching) -> EngineRefusal? {
        caching == .direct
            ? nil
            : EngineRefusal(
                reason: "kernel AIO on a buffered image blocks in io_submit(2); open it direct",
                errno: 0)
    }

    static func refusal(errno: CInt) -> EngineRefusal {
        let reason: String
        switch errno {
        case EAGAIN:
            let used = ProcFile.firstLine(of: "/proc/sys/fs/aio-nr")
            reason =
                "the system's \(used ?? "?") kernel AIO contexts in use exhaust fs.aio-max-nr; an "
                + "administrator can raise that sysctl"
        case ENOSYS:
            reason =
                "the kernel has no AIO, or a seccomp profile hides it; an administrator can allow "
                + "io_setup(2) there, or boot a kernel built with CONFIG_AIO"
        case EPERM:
            reason =
                "the process may not use kernel AIO; an administrator can allow io_setup(2) in "
                + "the seccomp profile of the container or service"
        case ENOMEM: reason = "no memory for the context; an administrator can free some"
        case EMFILE, ENFILE:
            reason = "no descriptor is left; an administrator can raise RLIMIT_NOFILE"
        default: reason = "io_setup(2) failed: \(errnoText(errno))"
        }
        return EngineRefusal(reason: reason, errno: errno)
    }
}
