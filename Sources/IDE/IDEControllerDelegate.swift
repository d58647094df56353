/// What a controller tells the emulator that it is a part of. The methods are called on the thread
/// that accesses or polls the controller, during that call, and must not access the controller.
/// They name the controller for emulators that have several.
public protocol IDEControllerDelegate: AnyObject {
    /// A line has changed its level.
    func controller(
        _ controller: IDEController, interrupt line: IDEInterrupt, isRaised: Bool
    )
    /// The host has failed a request of a drive. The event has the action that the error policy of
    /// the drive chose. `ErrorAction.stop` asks the emulator to stop the machine;
    /// ``IDEController/resume()`` makes the request again from its start.
    func controller(_ controller: IDEController, driveEvent event: DriveEvent)
}
