/// How the kernel serves a queue whose engine is io_uring. For hardware that gains by it; all off by default.
///
/// An option that does not apply is never ignored: opening the queue fails with
/// ``BlockError/Code/invalidOption``, and ``BlockError/detail`` says why.
public struct RingOptions: Sendable, Hashable {
    /// Whether a wait polls the device for completions instead of sleeping until its interrupt
    /// (IORING_SETUP_IOPOLL): the shortest latency, for a processor that is busy as long as requests are in
    /// flight. Off by default.
    ///
    /// For a direct image on a block device that has polling queues (`queue/io_poll` in sysfs is 1; for NVMe
    /// the module parameter `nvme.poll_queues`), or a file on such a device. The queue has no descriptor
    /// (``QueueOptions/hasDescriptor`` is off), because nothing makes a descriptor readable while nobody
    /// polls. Flushes go to helper threads. A call of ``BlockQueue/remote`` is noticed when a request
    /// completes, or at once while none is in flight. A signal handler that runs while requests are in flight
    /// need not end a wait with a timeout.
    public var pollsDevice: Bool

    /// For how many milliseconds without a request a thread of the kernel goes on to look for requests
    /// (IORING_SETUP_SQPOLL), from 1 to 60000: submitting then needs no system call. `nil`, the default, is no
    /// such thread.
    ///
    /// The thread keeps a processor busy while requests come. It costs more than it gains where the processors
    /// have other work.
    public var submissionThreadIdle: Int?

    /// Options with the defaults described at each property.
    public init(pollsDevice: Bool = false, submissionThreadIdle: Int? = nil) {
        self.pollsDevice = pollsDevice
        self.submissionThreadIdle = submissionThreadIdle
    }

    /// Whether nothing is asked for that only io_uring has.
    var isPlain: Bool { self == RingOptions() }
}
