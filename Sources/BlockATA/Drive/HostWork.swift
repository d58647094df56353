import GuestMemory

/// What the host does for the command of a tag. A command has at most one host request under way.
///
/// | state | event | next state |
/// |---|---|---|
/// | idle | a request is made, or a transfer begins | busy |
/// | busy | the host answers, and the drive makes the next request | busy |
/// | busy | the host answers, and the command ends or is parked | idle |
/// | busy | ``CommandExecution/abandon()`` | abandoned |
/// | abandoned | the host answers, or the transfer ends | idle; nobody is told |
struct HostWork {
    /// The host has a request of the command.
    var isInFlight = false
    /// The command has been dropped; the answer to its request only gives memory back.
    var isAbandoned = false
    /// The carrier has stopped the transfer under way: pieces that the host has not begun are dropped.
    var isStopped = false
    /// The transfer under way; alive until it is done.
    var transfer: Unmanaged<DMATransfer>?
    /// How the transfer has ended, until the carrier is told with the end of the command.
    var transferEnd: CommandEnd.Transfer?

    /// Whether the host may still touch memory for the command.
    var isBusy: Bool { isInFlight || transfer != nil }
}
