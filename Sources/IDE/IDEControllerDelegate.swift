public import BlockDMA
public import BlockIO

/// An interrupt line of the controller.
public enum IDEInterrupt: Sendable, Hashable {
    /// The primary channel in compatibility mode.
    case irq14
    /// The secondary channel in compatibility mode.
    case irq15
    /// Both channels in native mode, level-triggered.
    case inta
}

/// What a controller tells the emulator it is part of. Called on the thread that accesses or polls
/// the controller, in the middle of that; the controller must not be accessed from within: it is named so that
/// an emulator with several knows which one speaks.
public protocol IDEControllerDelegate: AnyObject {
    /// A line has changed its level.
    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    )
    /// The host has failed a request of a drive, and this is what its policy says.
    /// `ErrorAction.stop` asks for the machine to be stopped: the request is run again from its
    /// start by ``IDEController/resume()``.
    func controller(_ controller: IDEController, driveEvent event: DriveEvent)
}

/// A failed host request of a drive.
public struct DriveEvent: Sendable, Hashable {
    /// The drive.
    public let slot: IDESlot
    /// What the host was asked to do.
    public let operation: BlockOperation
    /// What went wrong.
    public let failure: BlockError.Code
    /// The errno behind it; 0 when the block layer itself refused.
    public let errno: CInt
    /// What is done about it.
    public let action: ErrorAction
}
