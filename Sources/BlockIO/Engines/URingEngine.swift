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
    private let events: UnsafeMutablePointer<cbio_event>
    private let inFlightLimit: Int
    private let isOwned: Bool
    private var isAttached: Bool
    private(set) var inFlight = 0

    private static let eventBatch = 64

    init(image: borrowing BlockImage, options: QueueOptions) throws(BlockError) {
        isOwned = options.threading == .owned
        isAttached = !isOwned
        var created: OpaquePointer?
        let error = cbio_uring_create(&created, image.descriptor, UInt32(options.depth), isOwned)
        guard error == 0, let created else {
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        ring = created
        events = .allocate(capacity: Self.eventBatch)
        // More than the completion ring holds would go through the kernel's overflow list.
        inFlightLimit = Int(cbio_uring_features(created).completion_entries)
    }

    var descriptor: CInt { cbio_uring_descriptor(ring) }

    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        attach()
        repeat {
            prepare(&pending)
            let taken = cbio_uring_submit(ring)
            if taken == -EINTR { continue }
            check(taken)
            // EAGAIN, EBUSY, ENOMEM: what is prepared goes with the next call.
            if taken <= 0 { return }
        } while !pending.isEmpty && inFlight < inFlightLimit
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        attach()
        prepare(&pending)
        var wanted = minimum
        if cbio_uring_unsubmitted(ring) == 0 {
            wanted -= takeCompletions(&finished)
            if minimum > 0 && wanted <= 0 { return .normal }
        }
        let entered = cbio_uring_submit_and_wait(
            ring, UInt32(max(0, min(wanted, inFlight))), limit.rawNanoseconds)
        check(entered)
        let taken = takeCompletions(&finished)
        if entered == -EINTR { return .interrupted }
        if entered < 0 && taken == 0 && inFlight == Int(cbio_uring_unsubmitted(ring)) {
            limit.pauseForResources()
        }
        return .normal
    }

    mutating func wake() {
        attach()
        // A full submission ring means that something is on its way and will wake the descriptor.
        if cbio_uring_prepare_nop(ring, nil) { check(cbio_uring_submit(ring)) }
    }

    mutating func shutDown() {
        cbio_uring_destroy(ring)
        events.deallocate()
    }

    private mutating func attach() {
        if isAttached { return }
        check(cbio_uring_enable(ring))
        isAttached = true
    }

    private mutating func prepare(_ pending: inout RequestFIFO) {
        while inFlight < inFlightLimit, let request = pending.head {
            let prepared =
                switch request.pointee.operation {
                case .read:
                    cbio_uring_prepare_read(
                        ring, request.pointee.vectors, request.pointee.vectorCount,
                        request.pointee.position, request)
                case .write:
                    cbio_uring_prepare_write(
                        ring, request.pointee.vectors, request.pointee.vectorCount,
                        request.pointee.position, request.pointee.isDurable, request)
                case .flush, .open:
                    cbio_uring_prepare_fdatasync(ring, request)
                }
            guard prepared else { return }
            _ = pending.popFirst()
            inFlight &+= 1
        }
    }

    private mutating func takeCompletions(_ finished: inout RequestFIFO) -> Int {
        var total = 0
        var count: Int
        repeat {
            count = Int(cbio_uring_reap(ring, events, UInt32(Self.eventBatch)))
            for index in 0..<count {
                // No tag: a wake-up.
                guard let tag = events[index].tag else { continue }
                let request = tag.assumingMemoryBound(to: IORequest.self)
                request.pointee.result = events[index].result
                finished.append(request)
                total &+= 1
            }
        } while count == Self.eventBatch
        inFlight &-= total
        return total
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
        let probed = cbio_uring_probe(created)
        return probed == 0 ? nil : refusal(errno: -probed)
    }

    static func refusal(errno: CInt) -> EngineRefusal {
        let reason: String
        switch errno {
        case EPERM, EACCES:
            let setting =
                ProcFile.firstLine(of: "/proc/sys/kernel/io_uring_disabled") ?? "0"
            reason =
                setting == "0"
                ? "the process may not use io_uring; an administrator can allow "
                    + "io_uring_setup(2) in the seccomp profile of the container or service"
                : "the sysctl kernel.io_uring_disabled is \(setting); an administrator can set it "
                    + "to 0, or to 1 with this process in the group kernel.io_uring_group"
        case ENOSYS:
            reason =
                "the kernel has no io_uring, or a seccomp profile hides it; an administrator can "
                + "allow io_uring_setup(2) there, or boot a kernel built with CONFIG_IO_URING"
        case ENOMEM:
            reason =
                "no memory for the rings; an administrator can raise RLIMIT_MEMLOCK of this "
                + "process (kernels before 5.12 charge rings to it) or the cgroup's memory limit"
        case EMFILE, ENFILE:
            reason = "no descriptor is left; an administrator can raise RLIMIT_NOFILE"
        case EOPNOTSUPP:
            reason = "the kernel's io_uring lacks an operation (read, write or fsync); update it"
        default:
            reason = "io_uring_setup(2) failed: \(errnoText(errno))"
        }
        return EngineRefusal(reason: reason, errno: errno)
    }
}
