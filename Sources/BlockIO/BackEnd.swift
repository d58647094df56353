/// Storage that none of the local engines can reach, such as an image on a server or a model of a disk.
/// ``BlockImage/open(backEnd:named:_:)`` opens an image on it. It brings an engine of its own, which takes
/// the place of the local ones; everything above the engine is the same.
///
/// **Who checks what.** The queue checks rights and range, and cuts requests up: what the engine is asked
/// lies inside the image, addresses, positions and lengths of reads and writes are multiples of
/// ``alignment``, lists have at most 1024 elements and 0x7fff_f000 bytes, and no write overlaps another that
/// is in flight where blocks are larger than a byte. The queue also asks for the rest of a transfer that came
/// back short, and again where the answer is EINTR or EAGAIN, up to 64 times without progress. The engine
/// checks none of that again. It may not trap on any position or length, and not on memory that others
/// change, or take away, while it reads or writes it: the answer is then -EFAULT.
///
/// **Threads.** The back end is used from any thread, its engine by one thread at a time: that of the
/// queue. A back end that hears of its answers on threads of its own keeps them under a lock of its own;
/// only ``Engine/reap(minimum:limit:pending:answered:)`` may put them into `answered`. Nothing in the
/// engine may wait for the storage, except `reap` with a `minimum` above 0, and what opens and shuts it down.
///
/// **What may be refused.** Opening throws ``BlockError/Code/engineUnavailable`` with the reason and what an
/// administrator can do. Each submission may be answered with any -errno. EOPNOTSUPP has a meaning: to a
/// durable write, that a flush must follow instead; to one of the submissions that discard or zero
/// (`punchHole`, `zeroRange`), that there is no such way, so that a discard
/// does nothing and zeroes are written. Neither is asked to be durable: a `synchronize` follows one that makes
/// durable zeroes. `deviceDiscard` and `deviceZero` are asked of devices only, so never
/// of a back end. A `synchronize` that succeeds
/// has made stable every write that was answered before it was submitted. One that fails is final for the
/// image, unless its failure is marked as transient (`IORequest.isTransientFailure`). `bufferedWrite` is
/// a write of the bytes behind the last whole block, which does not make the storage longer; it is asked for
/// only where ``size`` is not a multiple of the alignment. `synchronizeBoth` is asked for only after the
/// engine has called ``HostFile/hasUsedSecondWay()``.
///
/// **What is believed.** A back end may be wrong, or its server hostile. A size above Int64.max and an
/// alignment that is not made of powers of two up to 1 MiB fail the open, and are passed over later. An
/// answer that is neither an errno from 1 to 4095 nor at most the bytes that were asked for fails the
/// request with EIO, as does a positive answer to a sync. Bytes are not checked. An engine that answers a
/// request twice, or one that it was not given, is a program error.
///
/// **Waking.** ``Engine/wakeEvent`` ends a wait in `reap` from any thread, and makes the descriptor
/// readable until the next `reap`. ``Engine/descriptor`` is also readable whenever a `reap` would find
/// something that has been answered or that is due, and at no other time; a queue opened without a descriptor has
/// -1 there.
package protocol BackEnd: Sendable {
    /// What it is, for messages and reports.
    var name: String { get }

    /// Bytes that the storage has now; asked for again after a `truncate`, and when a request ends beyond
    /// what it was. Where it becomes smaller in another way, what is read or written beyond the end comes
    /// back short.
    var size: UInt64 { get }

    /// What is demanded of addresses, positions and lengths; asked for again when a submission that obeys
    /// it is answered EINVAL.
    var alignment: HostAlignment { get }

    /// Whether writes can bypass the page cache of the host. If not, only buffered images can be opened,
    /// and a write is durable only after a `synchronize`.
    var isDirect: Bool { get }

    /// What can be done with an image that is open for writing. Without ``BlockImage/Capabilities/write``
    /// none can be opened so; without ``BlockImage/Capabilities/resize`` no `truncate` is asked for. Flushes
    /// always are.
    var capabilities: BlockImage.Capabilities { get }

    /// Opens an engine for a queue of the image. It gets at most ``QueueOptions/depth`` submissions that the
    /// storage works on at a time: what it has no room for it leaves in `pending`.
    func openEngine(
        for image: BlockImage, _ options: QueueOptions
    ) throws(BlockError) -> any OpenEngine
}
