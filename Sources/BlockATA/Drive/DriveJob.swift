/// A command of every kind of drive that is under way, or waits.
protocol DriveJob {
    /// Nothing is under way.
    init()
    /// A host request failed, and its policy keeps the command until ``AttachedDrive/retry(on:)``.
    var isParked: Bool { get set }
    /// The command moves data between the drive and guest memory.
    var isTransfer: Bool { get }
    /// To run it again, the transfer has to be begun again.
    var repeatsTransfer: Bool { get }
}
