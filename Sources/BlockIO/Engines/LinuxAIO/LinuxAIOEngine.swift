import BlockHost
import CBlockIO
import Glibc

/// Linux kernel AIO: io_submit(2) and io_getevents(2).
///
/// Only for direct images: on a buffered one io_submit(2) does the whole transfer before it
/// returns. Completions are read from the ring that io_setup(2) maps, and cost a system call
/// only when there is something to wait for.
///
/// Safe, because the context, which only this engine knows, is there from `init` to ``shutDown()``.
@safe struct LinuxAIOEngine: ~Copyable, Engine {
    private let context: OpaquePointer
    private let capacity: Int
    /// The kernel signals the event at each completion. In the set are the event and the timer.
    private let descriptors: EngineDescriptors
    private var helpers: HelperThreads
    private var timer: RetryTimer
    private var isWakeArmed = false
    private var inKernel = 0
    private(set) var inlineCompletions: UInt64 = 0

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        // The first property is set when nothing can fail any more: the optimiser of Swift 6.3 gets the
        // clean-up of a half-made engine wrong.
        let made = EngineDescriptors(
            hasEvent: options.hasDescriptor, hasSet: options.hasDescriptor)
        var created: OpaquePointer?
        var error = -EMFILE
        if let made {
            error = unsafe Self.create(
                &created, image.files, UInt32(options.depth), made.event?.descriptor ?? -1)
        }
        if error == 0, let event = made?.event {
            do throws(SystemCallError) {
                try made?.set?.add(event.descriptor)
            } catch let refused {
                error = -refused.errno
            }
        }
        guard error == 0, let made, let created = unsafe created else {
            if let created = unsafe created { unsafe cbio_aio_destroy(created) }
            made?.close()
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        capacity = options.depth
        descriptors = made
        unsafe context = created
        helpers = HelperThreads(image: image, engine: .linuxAIO, wake: made.wake)
        timer = RetryTimer(set: made.set)
        armWake()
    }

    var inFlight: Int { inKernel &+ helpers.inFlight }

    var descriptor: CInt { descriptors.set?.descriptor ?? -1 }

    var wakeEvent: WakeEvent { .event(descriptors.wake) }

    var pollerOperations: UInt64 { helpers.pollerOperations }

    mutating func submit(_ pending: inout RequestFIFO, answered: inout RequestFIFO) {
        while !pending.isEmpty {
            var behind: UnsafeMutablePointer<cbio_submission>?
            let prepared = unsafe Int(
                cbio_aio_prepare(
                    context, pending.list.first, UInt32(capacity &- inKernel), &behind))
            if prepared == 0 {
                if giveToHelpers(&pending) { continue }
                // The head waits for room in the kernel's queue.
                return
            }
            let endedBefore = unsafe cbio_aio_ready(context)
            let taken = unsafe Int(cbio_aio_submit(context, 0, UInt32(prepared)))
            if taken == prepared {
                pending.removeFirst(prepared, upTo: unsafe RequestPointer(behind))
                inKernel &+= prepared
                timer.succeeded()
            } else if !submitRest(prepared, after: taken, &pending, answered: &answered) {
                return
            }
            inlineCompletions &+= UInt64(unsafe cbio_aio_ready(context) &- endedBefore)
        }
    }

    /// Goes on after io_submit(2) took less than it was offered, or -errno. False when the kernel
    /// has no room.
    private mutating func submitRest(
        _ prepared: Int, after answer: Int, _ pending: inout RequestFIFO,
        answered: inout RequestFIFO
    ) -> Bool {
        var taken = answer
        var first = 0
        while true {
            if taken > 0 {
                for _ in 0..<taken { _ = pending.popFirst() }
                inKernel &+= taken
                first &+= taken
            } else if taken == 0 || taken == -Int(EAGAIN) || taken == -Int(ENOMEM) {
                markPending(pending.head, prepared &- first)
                timer.arm(orWake: descriptors.wake)
                return false
            } else if taken != -Int(EINTR), let refused = pending.popFirst() {
                // The kernel names the first request of the call and takes none.
                refused.pointee.result = Int64(taken)
                answered.append(refused)
                first &+= 1
            }
            if first == prepared { return true }
            taken = unsafe Int(cbio_aio_submit(context, UInt32(first), UInt32(prepared - first)))
        }
    }

    /// What was prepared and not taken waits again: so many from `first` on.
    private func markPending(_ first: RequestPointer?, _ count: Int) {
        var next = first
        for _ in 0..<count {
            guard let request = next else { return }
            request.pointee.cSubmission.is_pending = true
            next = request.pointee.next
        }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        timer.disarm()
        let before = answered.count
        submit(&pending, answered: &answered)
        // What ends after this is taken below or signals anew.
        descriptors.event?.clear()
        helpers.collect(into: &answered)
        let help = helpers.serveIfDue(isIdleBeside: inKernel == 0, &answered)
        let mayWait = minimum > 0 && answered.count == before
        // At least one: a wake-up counts too, and brings the answers of helpers. No more than one while
        // others wait for the room that it makes.
        let most = pending.isEmpty ? max(1, min(minimum, inKernel)) : 1
        let awaited = mayWait ? most : 0
        var span = limit
        if timer.isArmed || !isWakeArmed { span = span.atMost(timer.pause) }
        if help == .later { span = span.atMost(HelperThreads.patience) }
        let taken = answered.count
        var isWoken = false
        let answer = unsafe cbio_aio_reap(
            context, &answered.list, &isWoken, UInt32(awaited), span.rawNanoseconds)
        inKernel &-= answered.count &- taken
        var end = WaitEnd.normal
        if answer == -EINTR {
            end = .interrupted
        } else if answer < 0 && mayWait {
            // The kernel refuses to wait (a seccomp filter); completions show without it.
            end = waitOutside(limit)
        } else if isWoken || !isWakeArmed {
            descriptors.wake.clear()
            armWake()
            if isWoken { end = .woken }
        }
        helpers.collect(into: &answered)
        if help != .none { comeBack(for: help) }
        return end
    }

    /// Makes the descriptor readable when the owner has a call to make for want of a thread.
    @inline(never)
    private mutating func comeBack(for help: HelperThreads.Help) {
        switch help {
        case .none: break
        case .now:
            // At once: the kernel's poll of the wake event tells a little later.
            descriptors.event?.signal()
        case .later: timer.arm(after: HelperThreads.patience, orWake: descriptors.wake)
        }
    }

    private func waitOutside(_ limit: WaitLimit) -> WaitEnd {
        switch descriptors.wake.wait(limit.atMost(timer.pause)) {
        case .interrupted: .interrupted
        case .timedOut: .normal
        case .readable: .woken
        }
    }

    /// io_cancel(2) is not known to any file system or block device; only helpers can be asked.
    mutating func cancel(_ request: RequestPointer) { helpers.cancel(request) }

    mutating func shutDown() {
        helpers.stop()
        unsafe cbio_aio_destroy(context)
        descriptors.close()
    }

    private mutating func armWake() {
        isWakeArmed = unsafe cbio_aio_arm_wake(context, descriptors.wake.descriptor) == 0
        // Until it is, only the set tells of it. In a set that has it already this changes nothing.
        if !isWakeArmed { try? descriptors.set?.add(descriptors.wake.descriptor) }
    }

    /// Takes the head of `pending` if it is not for the kernel's queue.
    private mutating func giveToHelpers(_ pending: inout RequestFIFO) -> Bool {
        guard let request = pending.head, helpers.isFor(request) else { return false }
        _ = pending.popFirst()
        helpers.enqueue(request)
        return true
    }
}

extension LinuxAIOEngine {
    private static func create(
        _ context: inout OpaquePointer?, _ files: [HostFile], _ capacity: UInt32,
        _ eventDescriptor: CInt
    ) -> CInt {
        let descriptors = files.map { EngineKind.linuxAIO.serves($0) ? $0.descriptor : -1 }
        return unsafe cbio_aio_create(
            &context, descriptors, UInt32(files.count), capacity, eventDescriptor)
    }
}
