import BlockDMA
import BlockHost
import BlockIO
import Glibc
import GuestMemory

/// A CD/DVD-ROM drive at work on the command of a tag.
struct PacketExecution: CommandExecution {
    let state: StablePointer<ATAPIDrive.State>
    let tag: Int
    let carrier: any ATACarrier

    var core: DriveCore { state.pointee.core }
    var cdrom: CDROM { state.pointee.cdrom }
    var packetBuffer: DriveBuffer { state.pointee.packetBuffer }
    var vectors: UnsafeMutablePointer<iovec> { unsafe state.pointee.vectors }

    var job: PacketJob {
        get { state.pointee.job }
        nonmutating _modify { yield &state.pointee.job }
    }

    var settings: ATAPISettings {
        get { state.pointee.settings }
        nonmutating _modify { yield &state.pointee.settings }
    }

    var demand: TransferDemand { job.demand }

    func policy(for operation: BlockOperation) -> ErrorPolicy {
        cdrom.options.readErrorPolicy
    }

    /// The disc, if the tray is closed.
    var disc: Disc? { state.pointee.tray.isOpen ? nil : state.pointee.medium?.disc }

    // MARK: How commands end

    /// A packet command has failed, and REQUEST SENSE says why (SFF-8020i 7.1.3).
    func fail(_ sense: Sense) {
        state.pointee.sense = sense
        fail(sense.errorRegister)
    }

    func showEnd() {
        if job.isPacket { showReason(InterruptReason.status) }
    }

    func showReason(_ reason: UInt8) {
        let count = registers.pointee.taskFile.count.current
        registers.pointee.taskFile.count.current = count & ~InterruptReason.mask | reason
    }

    // MARK: DEVICE RESET

    /// DEVICE RESET (ATA/ATAPI-6 8.10) drops the commands of the drive.
    func deviceReset() {
        for tag in 0..<core.connection.tags { at(tag).drop() }
        state.pointee.tray.isLocked = false
        state.pointee.sense = .none
        registers.pointee.window.close()
        registers.pointee.status = Status.busy
        state.pointee.resetTag = tag
        showSignatureUnlessBusy()
    }

    /// The drive at work on the command of another tag.
    func at(_ tag: Int) -> Self { Self(state: state, tag: tag, carrier: carrier) }

    private func drop() {
        if registers.pointee.isArmed || host.pointee.isBusy {
            registers.pointee.isArmed = false
            carrier.commandDropped(tag: tag, device: core.connection.device)
        }
        abandon()
    }

    /// Ends DEVICE RESET with the signature, unless a host request is under way. There is no
    /// interrupt. Only DEV keeps its value in the device register (9.12).
    func showSignatureUnlessBusy() {
        guard state.pointee.resetTag != nil, !core.isBusy else { return }
        state.pointee.resetTag = nil
        registers.pointee.show(.packet)
        registers.pointee.taskFile.device &= DeviceRegister.alwaysSet | DeviceRegister.device
    }
}
