import CBlockIO
import Glibc

/// Linux kernel AIO: io_submit(2) and io_getevents(2).
///
/// Only for direct images: on a buffered one io_submit(2) does the whole transfer before it
/// returns. Completions are read from the ring that io_setup(2) maps, and cost a system call
/// only when there is something to wait for.
struct LinuxAIOEngine: ~Copyable, Engine {
    private let context: OpaquePointer
    private let events: UnsafeMutablePointer<cbio_event>
    private let capacity: Int
    private(set) var inFlight = 0
    let descriptor: CInt

    init(image: borrowing BlockImage, options: QueueOptions) throws(BlockError) {
        descriptor = options.hasDescriptor ? cbio_eventfd() : -1
        capacity = options.depth
        var created: OpaquePointer?
        let error =
            options.hasDescriptor && descriptor < 0
            ? descriptor
            : cbio_aio_create(&created, image.descriptor, UInt32(capacity), descriptor)
        guard error == 0, let created else {
            if descriptor >= 0 { close(descriptor) }
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        context = created
        events = .allocate(capacity: capacity)
    }

    mutating func submit(_ pending: inout RequestFIFO, finished: inout RequestFIFO) {
        while !pending.isEmpty && inFlight < capacity {
            let prepared = prepare(pending)
            var first = 0
            while first < prepared {
                let taken = Int(
                    cbio_aio_submit(context, UInt32(first), UInt32(prepared - first)))
                if taken > 0 {
                    for _ in 0..<taken { _ = pending.popFirst() }
                    inFlight += taken
                    first += taken
                } else if taken == 0 || taken == -Int(EAGAIN) || taken == -Int(ENOMEM) {
                    return
                } else if taken != -Int(EINTR), let refused = pending.popFirst() {
                    // The kernel names the first request of the call and takes none.
                    refused.pointee.result = Int64(taken)
                    finished.append(refused)
                    first += 1
                }
            }
        }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, finished: inout RequestFIFO
    ) -> WaitEnd {
        submit(&pending, finished: &finished)
        if descriptor >= 0 { cbio_eventfd_clear(descriptor) }
        if inFlight == 0 {
            if !pending.isEmpty && minimum > 0 { limit.pauseForResources() }
            return .normal
        }
        let count = Int(
            cbio_aio_reap(
                context, events, UInt32(min(minimum, inFlight)), UInt32(capacity),
                limit.rawNanoseconds))
        if count < 0 { return count == -Int(EINTR) ? .interrupted : .normal }
        for index in 0..<count {
            let request = events[index].tag.assumingMemoryBound(to: IORequest.self)
            request.pointee.result = events[index].result
            finished.append(request)
        }
        inFlight -= count
        return .normal
    }

    mutating func wake() {
        if descriptor >= 0 { cbio_eventfd_signal(descriptor) }
    }

    mutating func shutDown() {
        cbio_aio_destroy(context)
        events.deallocate()
        if descriptor >= 0 { close(descriptor) }
    }

    /// Fills control blocks from the head of `pending` without taking anything from it.
    private func prepare(_ pending: RequestFIFO) -> Int {
        var index = 0
        var next = pending.head
        while let request = next, index < capacity - inFlight {
            switch request.pointee.operation {
            case .read:
                cbio_aio_prepare_read(
                    context, UInt32(index), request.pointee.vectors, request.pointee.vectorCount,
                    request.pointee.position, request)
            case .write:
                cbio_aio_prepare_write(
                    context, UInt32(index), request.pointee.vectors, request.pointee.vectorCount,
                    request.pointee.position, request.pointee.isDurable, request)
            case .flush, .open:
                cbio_aio_prepare_fdatasync(context, UInt32(index), request)
            }
            index &+= 1
            next = request.pointee.next
        }
        return index
    }
}

extension LinuxAIOEngine {
    /// `nil` when kernel AIO can run an image on this descriptor without blocking the submitter.
    static func refusal(descriptor: CInt, caching: OpenOptions.Caching) -> EngineRefusal? {
        guard caching == .direct else {
            return EngineRefusal(
                reason: "kernel AIO on a buffered image blocks in io_submit(2); open it direct",
                errno: 0)
        }
        var created: OpaquePointer?
        let error = cbio_aio_create(&created, descriptor, 1, -1)
        guard error == 0, let created else { return refusal(errno: -error) }
        cbio_aio_destroy(created)
        return nil
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
        default: reason = "io_setup(2) failed: \(errnoText(errno))"
        }
        return EngineRefusal(reason: reason, errno: errno)
    }
}
