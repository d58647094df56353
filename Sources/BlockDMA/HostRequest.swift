public import BlockIO
public import GuestMemory

/// What one command of a device asks of the host: one request at a time, until the command ends.
///
/// A device has one of these for each command that it can have under way, an IDE drive one and an AHCI port
/// 32, in memory that stays where it is. The ``tag`` is the number of the command. It is the `userData` of
/// each request on the queue and should be that of each transfer, so that both find their way back:
///
///     queue.poll { completion in
///         answer(requests[Int(completion.userData)].complete(completion, on: queue))
///     }
///     mapper.resume { transfer, step in
///         answer(requests[Int(transfer.userData)].resume(transfer, step, on: queue))
///     }
///
/// A command makes host requests of two kinds, in any order:
///
/// - *Transfers* between guest memory and the image, which the queue carries out piece by piece without a
///   copy: ``begin(_:_:on:at:durability:)``. A transfer ends with ``HostAnswer/transferCompleted(_:)``.
/// - *Requests of its own*: a flush, a discard, a read into a buffer of the device. The device makes them on
///   the queue, with what ``submit()`` returns as `userData`. They end with ``HostAnswer/succeeded``.
///
/// A device that fills or empties the pieces of a transfer from a buffer takes the steps itself:
/// ``begin(_:_:)``, ``pieceEnded(transferred:isSuccess:)``, ``memoryFailed(transferred:)``,
/// ``resume(_:_:)``. Between two of them it holds a piece, and may make requests of its own meanwhile, whose
/// completions ``complete(_:)`` takes.
///
/// Nothing here allocates, counts references or takes a lock. A request belongs to the thread that its queue
/// and its mapper belong to at the moment.
///
/// ## States
///
/// | state | the host has | memory of the guest or the device is in use |
/// |---|---|---|
/// | idle | nothing | no |
/// | submitted | a piece, or a request of the device's own while it holds a piece or none | yes |
/// | held | nothing: the device has a piece | yes |
/// | waiting | nothing: the transfer waits for bounce buffers or another process | yes |
/// | parked | nothing: it has failed, and the device asks again later | no |
/// | abandoned | what it had when the command was given up | yes |
///
/// | state | event | next state | answer |
/// |---|---|---|---|
/// | idle | `begin`: a piece, on a queue | submitted | pending |
/// | idle | `begin`: a piece, for the device | held | the piece |
/// | idle | `begin`: wait | waiting | pending |
/// | idle | `begin`: done, because of the list | idle | transferCompleted |
/// | idle, held | `submit` | submitted | the tag |
/// | submitted, a piece | `complete`: success, there are more | submitted or waiting | pending |
/// | submitted, a piece | `complete`: success of the last | idle | transferCompleted |
/// | submitted, a piece | `complete`: the memory has gone | idle | transferCompleted: fault |
/// | submitted, a piece | `complete`: the host has failed | held | failed |
/// | submitted, own | `complete` | held if a piece is, or else idle | succeeded or failed |
/// | held, a piece that failed | `apply` report | idle | transferCompleted: deviceFailed |
/// | held, a piece that failed | `apply` ignore | as after success | as after success |
/// | idle or held, own failed | `apply` report | the same | failed |
/// | idle or held, own failed | `apply` ignore | the same | succeeded |
/// | idle, held | `apply` stop | parked | pending |
/// | held | `pieceEnded`, `memoryFailed` | held, waiting or idle | the step |
/// | held | `release` | idle | |
/// | idle, held | `park` | parked | |
/// | parked | `retry` | idle | true: the device asks again |
/// | others | `retry` | no other | false |
/// | waiting | `resume`: a piece, on a queue | submitted | pending |
/// | waiting | `resume`: a piece, for the device | held | the piece |
/// | waiting | `resume`: done | idle | transferCompleted |
/// | submitted | `stop` | submitted, ``isStopped`` | pending: no piece follows |
/// | waiting for buffers | `stop` | idle | transferCompleted: cancelled |
/// | waiting for another process | `stop` | waiting, ``isStopped`` | pending |
/// | parked | `stop` | idle | transferCompleted: cancelled |
/// | idle | `stop` | idle | pending |
/// | submitted | `abandon` | abandoned | |
/// | waiting for buffers | `abandon` | idle | |
/// | waiting for another process | `abandon` | abandoned | |
/// | idle, parked | `abandon` | idle | |
/// | abandoned | `complete` | idle | released |
/// | abandoned | `complete`: another process stores the bytes | abandoned | pending |
/// | abandoned | `resume` | idle | released |
/// | abandoned | `abandon`, `stop` | abandoned | pending |
///
/// Every other pair is a broken contract and stops the program, such as a completion for a request that
/// the host does not have.
public struct HostRequest: ~Copyable {
    /// Where a request is in its life. See the table of ``HostRequest``.
    public enum State: UInt8, Sendable, Hashable {
        /// The host has nothing, and no memory is in use.
        case idle
        /// The host has a request.
        case submitted
        /// The device has a piece of a transfer.
        case held
        /// The transfer waits for bounce buffers, or for memory of another process.
        case waiting
        /// The host has failed the request, and the device makes it again later.
        case parked
        /// The command was given up while the host had a request.
        case abandoned
    }

    /// The number of the command, and the `userData` of its requests.
    public let tag: UInt
    /// The value of ``state``. `@usableFromInline`, as the other members: calls of the fast path
    /// are inlined into devices of other targets.
    @usableFromInline var current = State.idle
    /// The value of ``isStopped``.
    @usableFromInline var wasStopped = false
    /// What the host has, or had last, is a piece of the transfer.
    @usableFromInline var isPiece = false
    @usableFromInline var durability = WriteDurability.volatile
    /// The transfer under way; alive until it is done.
    @usableFromInline var transfer: TransferReference?
    /// Where the transfer begins in the image.
    @usableFromInline var offset: UInt64 = 0

    /// A request in the state idle.
    public init(tag: UInt = 0) { self.tag = tag }

    /// The state, see the table of ``HostRequest``.
    @inlinable public var state: State { current }

    /// The guest has stopped the command while a request was under way. No further piece is
    /// submitted, and a failed request cannot be kept. This lasts until the next transfer begins or
    /// until ``commandEnded()``.
    @inlinable public var isStopped: Bool { wasStopped }

    /// Whether the host, or a transfer, may still touch memory of the guest or of the device.
    @inlinable public var isBusy: Bool { current != .idle && current != .parked }

    /// Whether a failed request waits for ``retry()``.
    @inlinable public var isParked: Bool { current == .parked }

    /// Whether the transfer under way is this one.
    public func owns(_ transfer: DMATransfer) -> Bool {
        unsafe self.transfer == TransferReference(transfer)
    }

    // MARK: Requests of the device's own

    /// Takes note of a request that the device makes on the queue, and returns the `userData` for it.
    @inlinable
    @inline(__always)
    public mutating func submit() -> UInt {
        precondition(current == .idle || current == .held, "the host is at work on another request")
        isPiece = false
        current = .submitted
        return tag
    }

    // MARK: Policies

    /// Keeps the failed request until ``retry()``. A transfer is released as by ``release()``; after
    /// ``retry()`` the device begins another one.
    public mutating func park() {
        release()
        current = .parked
    }

    /// Whether a request was kept. If so, the device makes it again from its start.
    public mutating func retry() -> Bool {
        guard current == .parked else { return false }
        current = .idle
        return true
    }

    /// Releases a transfer of which the device holds a piece; without one it does nothing. No memory is
    /// in use when this returns: bytes of the piece that would have to be copied to guest memory are
    /// dropped. Where they matter, ``pieceEnded(transferred:isSuccess:)`` ends the piece.
    public mutating func release() {
        precondition(current == .idle || current == .held, "there is no piece to give back")
        if let transfer {
            _ = transfer.with { $0.pieceEnded(transferred: 0, isSuccess: false) }
            self.transfer = nil
        }
        current = .idle
    }

    // MARK: Ends

    /// The guest stops the command. The host completes the request that it has, and no further
    /// piece is submitted. The answer is ``HostAnswer/transferCompleted(_:)`` when there is nothing
    /// to wait for.
    public mutating func stop() -> HostAnswer {
        switch current {
        case .idle, .abandoned: return .pending
        case .held: preconditionFailure("a command is stopped from within")
        case .parked:
            current = .idle
            return .transferCompleted(DMAResult(outcome: .cancelled, transferred: 0))
        case .submitted, .waiting:
            wasStopped = true
            guard case .done(let result)? = cancel() else { return .pending }
            current = .idle
            return .transferCompleted(result)
        }
    }

    /// A reset drops the command, and no answer follows but ``HostAnswer/released``. While
    /// ``isBusy`` is still true after this, the device must not report that its reset has ended.
    public mutating func abandon() {
        wasStopped = false
        switch current {
        case .idle, .abandoned: break
        case .held: preconditionFailure("a command is abandoned from within")
        case .parked: current = .idle
        case .submitted, .waiting: current = cancel() == nil ? .abandoned : .idle
        }
    }

    /// Drops the pieces that have not been submitted. Returns the last step, if there is nothing to
    /// wait for.
    private mutating func cancel() -> DMAStep? {
        guard let transfer else { return nil }
        let step = transfer.with { $0.cancel() }
        if step != nil { self.transfer = nil }
        return step
    }
}
