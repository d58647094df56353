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
    /// Wakes the owner, from any thread. With a descriptor, the event is that descriptor, and the kernel
    /// signals the event at each completion. Without one, the kernel's queue polls the event.
    private let event: Event
    private let hasDescriptor: Bool
    /// Somebody watches the descriptor. Otherwise the event is not read.
    private var isWatched: Bool
    private var helpers: HelperThreads
    /// Other threads may signal the event.
    private var isOpenToWakes = false
    /// The kernel's queue has to poll the event, and does not yet.
    private var isWakeDue = false
    /// It polls the event.
    private var isWakeArmed = false
    private var inKernel = 0
    private(set) var inlineCompletions: UInt64 = 0

    /// The longest wait, in nanoseconds, for an event that the kernel does not poll for want of resources.
    private static let longestBlindWait: Int64 = 1_000_000

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        // The first property is set when nothing can fail any more: the optimiser of Swift 6.3 gets the
        // clean-up of a half-made engine wrong.
        let made = try? Event()
        var created: OpaquePointer?
        var error = -EMFILE
        if let made {
            error = unsafe Self.create(
                &created, image.files, UInt32(options.depth),
                options.hasDescriptor ? made.descriptor : -1)
        }
        guard error == 0, let made, let created = unsafe created else {
            made?.close()
            throw BlockError(
                .engineUnavailable, errno: -error, operation: .open, image: image.path,
                detail: Self.refusal(errno: -error).reason)
        }
        capacity = options.depth
        hasDescriptor = options.hasDescriptor
        isWatched = options.hasDescriptor
        event = made
        unsafe context = created
        helpers = HelperThreads(image: image, engine: .linuxAIO, wake: made)
    }

    var inFlight: Int { inKernel &+ helpers.inFlight }

    var descriptor: CInt { hasDescriptor ? event.descriptor : -1 }

    var wakeEvent: WakeEvent { .event(event) }

    mutating func openToWakes() {
        isOpenToWakes = true
        isWakeDue = !hasDescriptor && !isWakeArmed
    }

    /// The kernel and the helpers signal the event in any case, so there is nothing to make up for.
    mutating func setDescriptorWatched(_ isWatched: Bool) {
        self.isWatched = hasDescriptor && isWatched
    }

    /// Whether another thread may end a wait.
    private var mayBeWoken: Bool { isOpenToWakes || helpers.inFlight > 0 }

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
            let tail = unsafe cbio_aio_tail(context)
            let taken = unsafe Int(cbio_aio_submit(context, 0, UInt32(prepared)))
            if taken == prepared {
                pending.removeFirst(prepared, upTo: unsafe RequestPointer(behind))
                inKernel &+= prepared
            } else {
                submitRest(prepared, after: taken, &pending, answered: &answered)
            }
            // Others can complete meanwhile.
            let ended = unsafe min(Int(cbio_aio_count_inline(context, tail)), prepared)
            inlineCompletions &+= UInt64(truncatingIfNeeded: ended)
        }
    }

    /// Goes on after io_submit(2) took less than it was offered, or -errno. What the kernel has no room for
    /// goes to helper threads: nothing that is in flight need ever end and bring the owner back.
    private mutating func submitRest(
        _ prepared: Int, after answer: Int, _ pending: inout RequestFIFO,
        answered: inout RequestFIFO
    ) {
        var taken = answer
        var first = 0
        while true {
            if taken > 0 {
                for _ in 0..<taken { _ = pending.popFirst() }
                inKernel &+= taken
                first &+= taken
            } else if taken == 0 || taken == -Int(EAGAIN) || taken == -Int(ENOMEM) {
                for _ in first..<prepared {
                    if let request = pending.popFirst() { enqueueForHelpers(request) }
                }
                return
            } else if taken != -Int(EINTR), let refused = pending.popFirst() {
                // The kernel names the first request of the call and takes none.
                refused.pointee.result = Int64(taken)
                answered.append(refused)
                first &+= 1
            }
            if first == prepared { return }
            taken = unsafe Int(cbio_aio_submit(context, UInt32(first), UInt32(prepared - first)))
        }
    }

    mutating func reap(
        minimum: Int, limit: WaitLimit, pending: inout RequestFIFO, answered: inout RequestFIFO
    ) -> WaitEnd {
        let before = answered.count
        submit(&pending, answered: &answered)
        if isWakeDue { armWake() }
        // What ends after this is taken below or signals anew. After a wait in the kernel's queue, which nothing
        // but completions can end, what they have signalled is cleared afterwards.
        var isWoken = isWatched && (minimum == 0 || mayBeWoken) && event.take()
        helpers.collect(into: &answered)
        let help = helpers.serveIfDue(isIdleBeside: inKernel == 0, &answered)
        let mayWait = minimum > 0 && answered.count == before && !isWoken
        // The kernel does not end a wait in its queue because of an event that the queue does not poll.
        let waitsOutside = mayWait && hasDescriptor && mayBeWoken
        // At least one: a wake-up counts too, and brings the answers of helpers. No more than one while
        // others wait for the room that it makes.
        let most = pending.isEmpty ? max(1, min(minimum, inKernel)) : 1
        let awaited = mayWait && !waitsOutside ? most : 0
        var span = limit
        if isWakeDue { span = span.atMost(Self.longestBlindWait) }
        if help == .later { span = span.atMost(HelperThreads.patience) }
        var end = WaitEnd.normal
        let answer = take(awaited, span, &answered, &isWoken)
        if answer == -EINTR {
            end = .interrupted
        } else if mayWait, waitsOutside || answer < 0, answered.count == before {
            // Or the kernel refuses to wait (a seccomp filter); completions show without it.
            end = waitOutside(span, &answered, &isWoken)
        }
        if isWoken {
            if !hasDescriptor {
                event.clear()
                armWake()
            }
            if end == .normal { end = .woken }
        }
        helpers.collect(into: &answered)
        if isWatched {
            if minimum > 0 && !mayBeWoken { quiet(&answered) }
            // The owner has a call to make. One that others go before brings the owner back with the last of
            // them.
            if help == .now || help == .later && inKernel == 0 { event.signal() }
        }
        return end
    }

    /// Takes what the kernel has completed, after a wait for `minimum` if there is nothing. Returns 0 or
    /// -errno.
    @inline(__always)
    private mutating func take(
        _ minimum: Int, _ limit: WaitLimit, _ answered: inout RequestFIFO, _ isWoken: inout Bool
    ) -> CInt {
        let before = answered.count
        let answer = unsafe cbio_aio_reap(
            context, &answered.list, &isWoken, UInt32(minimum), limit.rawNanoseconds)
        inKernel &-= answered.count &- before
        return answer
    }

    /// Makes the descriptor quiet, which only completions have signalled, and takes them.
    @inline(never)
    private mutating func quiet(_ answered: inout RequestFIFO) {
        event.clear()
        var isWoken = false
        _ = take(0, .nanoseconds(0), &answered, &isWoken)
    }

    /// A wait for the event. What ended before it was taken or has signalled the event.
    @inline(never)
    private mutating func waitOutside(
        _ limit: WaitLimit, _ answered: inout RequestFIFO, _ isWoken: inout Bool
    ) -> WaitEnd {
        let end = event.wait(hasDescriptor ? limit : limit.atMost(Self.longestBlindWait))
        if hasDescriptor && end == .readable && event.take() { isWoken = true }
        _ = take(0, .nanoseconds(0), &answered, &isWoken)
        return end == .interrupted ? .interrupted : .normal
    }

    /// io_cancel(2) is not known to any file system or block device; only helpers can be asked.
    mutating func cancel(_ request: RequestPointer) { helpers.cancel(request) }

    mutating func shutDown() {
        helpers.stop()
        unsafe cbio_aio_destroy(context)
        event.close()
    }

    @inline(never)
    private mutating func armWake() {
        isWakeArmed = unsafe cbio_aio_arm_wake(context, event.descriptor) == 0
        isWakeDue = !isWakeArmed
    }

    private mutating func enqueueForHelpers(_ request: RequestPointer) {
        helpers.enqueue(request)
        isWakeDue = !hasDescriptor && !isWakeArmed
    }

    /// Takes the head of `pending` if it is not for the kernel's queue.
    private mutating func giveToHelpers(_ pending: inout RequestFIFO) -> Bool {
        guard let request = pending.head, helpers.isFor(request) else { return false }
        _ = pending.popFirst()
        enqueueForHelpers(request)
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
