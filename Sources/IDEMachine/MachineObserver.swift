import BlockDMA
import IDE

/// What a machine tells those who drive it, in the middle of what they have it do.
protocol MachineObserver: AnyObject {
    /// An interrupt line, by its number on a PC, has changed its level.
    func interruptChanged(_ number: Int, isRaised: Bool)
    /// The host has failed a drive's request.
    func driveFailed(_ event: DriveEvent)
}
