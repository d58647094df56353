import BlockDMA
import BlockHost
import BlockIO
import GuestMemory

/// A disk at work on the command of a tag.
struct DiskExecution: CommandExecution {
    let state: StablePointer<ATADrive.State>
    let tag: Int
    let carrier: any ATACarrier

    var core: DriveCore { state.pointee.core }
    var disk: ATADisk { state.pointee.disk }
    /// The command of the tag.
    var command: StablePointer<DiskCommand> { unsafe StablePointer(state.pointee.commands + tag) }

    var job: DiskJob {
        get { command.pointee.job }
        nonmutating _modify { yield &command.pointee.job }
    }

    var settings: DiskSettings {
        get { state.pointee.settings }
        nonmutating _modify { yield &state.pointee.settings }
    }

    var demand: TransferDemand { job.demand(sectorCount: state.pointee.sectorCount) }

    func policy(for operation: BlockOperation) -> ErrorPolicy {
        operation == .read ? disk.options.readErrorPolicy : disk.options.writeErrorPolicy
    }

    func showEnd() {}
}
