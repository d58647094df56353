/// Storage that none of the local engines can reach, such as an image on a server or a model of a disk.
/// It brings an engine of its own, which takes the place of the local ones; everything above the engine is
/// the same.
///
/// **Who checks what.** The queue checks rights and range, and cuts requests up: what the engine is asked
/// lies inside the image, addresses, positions and lengths of reads and writes are multiples of
/// ``alignment``, lists have at most 1024 elements and 0x7fff_f000 bytes, and no write overlaps another that
/// is in flight where blocks are larger than a byte. The queue also asks for the rest of a transfer that came
/// back short, and again where the answer is EINTR or EAGAIN, up to 64 times without progress. The engine
/// checks none of that again. It may not trap on any position or length, and not on memory that others
/// change, or take away, while it reads or writes it: the answer is then -EFAULT.
///
/// **Geometry.** The image is opened from a host file that stands for the storage. The queue takes size,
/// alignment and caching from that file, so whoever opens the image sees to it that they agree with ``size``,
/// ``alignment`` and ``isDirect``.
///
/// **Threads.** The back end is used from any thread, its engine by one thread at a time: that of the
/// queue. A back end that hears of its answers on threads of its own keeps them under a lock of its own;
/// only ``Engine/reap(minimum:limit:pending:finished:)`` may put them into `finished`. Nothing in the
/// engine may wait for the storage, except `reap` with a `minimum` above 0, and what opens and shuts it down.
///
/// **What may be refused.** Opening throws ``BlockError/Code/engineUnavailable`` with the reason and what an
/// administrator can do. Each operation may be answered with any -errno. EOPNOTSUPP has a meaning: to a
/// durable write, that a flush must follow instead; to one of the operations that discard or zero
/// (`punchHole`, `zeroRange`, `deviceDiscard`, `deviceZero`), that there is no such way, so that a discard
/// does nothing and zeroes are written; to `truncate`, that the size is fixed. A `synchronize` that succeeds
/// has made stable every write that was answered before it was submitted. One that fails is final for the
/// image, unless its failure is marked as transient (`IORequest.isTransientFailure`). `bufferedWrite` and
/// `synchronizeBoth` are asked for only where ``size`` is not a multiple of the alignment.
///
/// **Waking.** ``Engine/wakeEvent`` ends a wait in `reap` from any thread, and makes the descriptor
/// readable until the next `reap`. ``Engine/descriptor`` is also readable whenever a `reap` would find
/// something that has ended or that is due, and at no other time; a queue opened without a descriptor has
/// -1 there.
package protocol BackEnd: Sendable {
    /// What it is, for messages and reports.
    var name: String { get }

    /// Bytes that the storage has now.
    var size: UInt64 { get }

    /// What is demanded of addresses, positions and lengths.
    var alignment: HostAlignment { get }

    /// Whether writes bypass the page cache of the host. If not, a write is durable only after a
    /// `synchronize`.
    var isDirect: Bool { get }

    /// Opens an engine for a queue of the image. It gets at most ``QueueOptions/depth`` operations that the
    /// storage works on at a time: what it has no room for it leaves in `pending`.
    func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine
}
