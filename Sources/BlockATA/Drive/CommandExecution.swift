import BlockDMA
import BlockIO
import GuestMemory

/// A drive at work on a command: the drive, the tag of the command, and the carrier that it came from. It
/// exists for a call of the drive, because a drive does not keep its carrier.
///
/// What the two kinds of drive have in common is in extensions of this protocol.
protocol CommandExecution {
    associatedtype Job: DriveJob
    associatedtype Settings: DriveSettings

    var core: DriveCore { get }
    var tag: Int { get }
    var carrier: any ATACarrier { get }
    /// The command of the tag.
    var job: Job { get nonmutating set }
    var settings: Settings { get nonmutating set }
    /// What the command needs in guest memory.
    var demand: TransferDemand { get }
    /// What a failed request of this operation means.
    func policy(for operation: BlockOperation) -> ErrorPolicy

    /// Carries out the first step of the command's transfer.
    func beginTransfer(_ transfer: DMATransfer, _ step: DMAStep)
    /// The transfer is over, and ``transferEnd`` is set.
    func transferEnded(_ result: DMAResult)
    /// Ends a command whose ``TransferDemand/isUnwanted`` was set.
    func failUnwanted()
    /// Makes the request of a parked command again that is not a part of a transfer.
    func repeatRequest()
    /// Changes what the registers show of a command that is about to end.
    func showEnd()
}

extension CommandExecution {
    var registers: UnsafeMutablePointer<DriveRegisters> { core.connection.registers + tag }

    /// What the host is asked for on behalf of the command.
    var host: UnsafeMutablePointer<HostRequest> { core.host + tag }

    /// How the transfer has ended, until the carrier is told with the end of the command.
    var transferEnd: CommandEnd.Transfer? {
        get { core.transferEnds[tag] }
        nonmutating set { core.transferEnds[tag] = newValue }
    }

    // MARK: How commands end

    /// The command has ended well.
    @inline(__always)
    func succeed(interrupt: Bool = true) {
        end(status: Status.good, error: 0, interrupt: interrupt)
    }

    /// The command has ended with an error.
    @inline(never)
    func fail(_ error: UInt8) {
        end(status: Status.failed, error: error, interrupt: true)
    }

    /// The command is not carried out, or cannot go on.
    @inline(never)
    func abort() { fail(ErrorBits.aborted) }

    @inline(__always)
    private func end(status: UInt8, error: UInt8, interrupt: Bool) {
        showEnd()
        let registers = registers
        job = Job()
        host.pointee.finish()
        registers.pointee.window.close()
        registers.pointee.status = status
        registers.pointee.error = error
        let transfer = transferEnd
        transferEnd = nil
        carrier.commandEnded(
            CommandEnd(
                status: status, error: error, isInterrupting: interrupt, transfer: transfer),
            tag: tag, device: core.connection.device)
    }

    // MARK: Data through registers

    /// Offers `count` bytes at `base` to the guest, or asks it for them; an even number.
    func open(
        _ direction: PIOWindow.Direction, _ base: UnsafeMutableRawPointer, count: Int,
        interrupt: Bool
    ) {
        registers.pointee.status = Status.wantsData
        registers.pointee.window.open(direction, base, count: count)
        carrier.windowOpened(interrupt, tag: tag, device: core.connection.device)
    }
}
