import BlockPCI
import CommandLineSupport
import IDE

extension IDEController {
    /// A controller with these drives plugged in.
    convenience init(
        _ identity: IDEIdentity, _ bus: PCIBus, _ drives: [Drive], _ options: MachineOptions
    ) throws {
        try self.init(
            identity: identity, bus: bus,
            options: IDEOptions(
                forceBounce: options.forceBounce, bounceLimit: options.bounceLimit,
                dmaCache: options.dmaCache == .on))
        for drive in drives {
            switch drive.device {
            case .disk(let disk): try attach(disk, to: drive.slot)
            case .cdrom(let cdrom): try attach(cdrom, to: drive.slot)
            }
        }
    }
}
