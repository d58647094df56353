import BlockIO
internal import BlockState
import GuestMemory

/// A device on a channel, as the channel uses it.
///
/// It works on its ``DriveRegisters``, which the channel keeps, and reports by
/// ``IDEChannel/raiseInterrupt()`` and ``IDEChannel/transferEnded(_:)``. Whatever touches a medium is asynchronous:
/// the drive shows BSY until the host has answered, which it learns in ``poll()``. It has at most one
/// host request under way, ever.
protocol IDEDrive: AnyObject {
    /// What it shows after a reset.
    var signature: Signature { get }
    /// Its queue; `nil` when it has no medium.
    var queue: BlockQueue? { get }
    /// Readable when ``poll()`` has something to deliver; the same as long as the drive is plugged
    /// in.
    var descriptor: CInt? { get }
    /// Whether the host may still touch memory for it.
    var isBusy: Bool { get }

    /// The host wrote the command register; the drive is not occupied.
    func execute(_ command: UInt8)
    /// Whether a command is taken although the drive is occupied (DEVICE RESET).
    func interrupts(_ command: UInt8) -> Bool
    /// The host has moved all of the window.
    func windowEnded()
    /// The bus master is started, and a command of this drive is armed.
    func startTransfer()
    /// The bus master is stopped while a transfer of this drive is under way.
    func stopTransfer()
    /// Goes on with a transfer that waited for bounce buffers, if it is this drive's.
    func resumeTransfer(_ transfer: DMATransfer, _ step: DMAStep)

    /// Drops the command under way, what of it the host has not begun included. A host request that
    /// has been made ends in its own time, see ``isBusy``, and nobody hears of it.
    func abandon()
    /// Settings that a software reset changes (ATA/ATAPI-6 9.2).
    func softwareReset()
    /// All settings as at power-on.
    func powerOnReset()
    /// Runs again what policy `ErrorPolicy.stop` keeps.
    func retry()

    /// Delivers what the queue has completed; how much it was.
    func poll() -> Int

    /// What it is, its settings, and the command under way. Not busy.
    func save() -> SavedDrive
    /// Whether it can be what `saved` says, and what it is doing then. Changes nothing. `isArmed` is of its
    /// registers in the state.
    func check(_ saved: SavedDrive, isArmed: Bool) throws(StateError) -> DriveActivity
    /// Becomes what ``check(_:isArmed:)`` has accepted. Sets the window of its registers, and nothing else of
    /// them.
    func load(_ saved: SavedDrive)
}
