import BlockDMA
import IDE

/// Is told of events of a machine, in the middle of the call that causes them.
protocol MachineObserver: AnyObject {
    /// An interrupt line, by its number on a PC, has changed its level.
    func interruptChanged(_ number: Int, isRaised: Bool)
    /// A request of a drive has failed on the host.
    func driveFailed(_ event: DriveEvent)
}
