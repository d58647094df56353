/// A command of every kind of drive that is under way, or waits.
protocol DriveJob {
    /// Nothing is under way.
    init()
    /// The command moves data between the drive and guest memory.
    var isTransfer: Bool { get }
    /// To run it again, the transfer has to be begun again.
    var repeatsTransfer: Bool { get }
}
