package import BlockDMA
package import BlockIO

/// What a drive is connected to: an IDE channel, or a port of an AHCI controller.
///
/// A carrier gives commands to its drives and answers what they ask for; a drive keeps no
/// reference to it, because the carrier is an argument of the drive's methods. Each command has a
/// *tag*, a number that the carrier chooses; it names the command in everything that drive and
/// carrier tell each other about it. A carrier with one command at a time uses tag 0 only.
///
/// **Registers.** A carrier keeps ``DriveRegisters`` for each tag of each drive. It writes the
/// parameters of a command there before ``AttachedDrive/execute(_:tag:on:)``; the drive writes the
/// results there before it calls the carrier.
///
/// **Data in guest memory.** A command that needs guest memory is *armed*: ``DriveRegisters/isArmed``
/// is set, and ``DriveRegisters/demand`` says what the command needs. That happens in
/// ``AttachedDrive/execute(_:tag:on:)``, ``AttachedDrive/windowClosed(tag:on:)`` and
/// ``AttachedDrive/retry(on:)``. When the carrier is ready (IDE: when the guest has started the bus
/// master), it clears `isArmed`, reads its own kind of descriptor table, and calls either
/// ``AttachedDrive/begin(_:_:tag:on:)`` with the transfer that it has begun, or
/// ``AttachedDrive/refuse(_:tag:on:)``.
///
/// **Data through registers.** ``windowOpened(_:tag:device:)`` tells that ``DriveRegisters/window``
/// is open. When the guest has moved all of it, the carrier closes the window and calls
/// ``AttachedDrive/windowClosed(tag:on:)``.
///
/// **Several tags.** A disk carries out READ DMA and WRITE DMA commands of different tags at the
/// same time. PIO commands, READ VERIFY and DATA SET MANAGEMENT use the drive's only buffer. The
/// carrier must not give two commands that use the buffer at the same time.
///
/// **Re-entrancy.** A drive calls its carrier last, when its own state for the command is complete.
/// An interrupt that the carrier raises may lead back to registers and to the drive. The exception
/// is ``requestFailed(_:_:tag:device:)``, which comes in the middle: the drive must not be called
/// from it.
package protocol ATACarrier: AnyObject {
    /// A command has ended. Status, error and results are in its registers.
    func commandEnded(_ end: CommandEnd, tag: Int, device: Int)

    /// The window is open, and the guest moves its data next. `isInterrupting` says whether the
    /// drive asserts its interrupt for it.
    func windowOpened(_ isInterrupting: Bool, tag: Int, device: Int)

    /// A packet has been written and is carried out next.
    func packetTaken(_ packet: CommandPacket, tag: Int, device: Int)

    /// DEVICE RESET has ended a command that was armed or under way, without an interrupt.
    func commandDropped(tag: Int, device: Int)

    /// The host has failed a request of a command; `action` is what the drive's policy decides.
    func requestFailed(
        _ completion: BlockCompletion, _ action: ErrorAction, tag: Int, device: Int)
}
