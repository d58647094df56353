/// The registers of a drive that a guest sees, and what the drive's carrier needs to know of a
/// command. The members are `@usableFromInline` so that a carrier in another target reads them
/// without a call.
@usableFromInline package struct DriveRegisters {
    @usableFromInline package var taskFile = TaskFile()
    @usableFromInline package var status: UInt8 = 0
    @usableFromInline package var error: UInt8 = 0
    @usableFromInline package var window = PIOWindow()
    /// A command needs guest memory and waits for its carrier, see ``ATACarrier``.
    @usableFromInline package var isArmed = false
    /// What an armed command needs.
    @usableFromInline package var demand = TransferDemand()

    package init() {}

    /// Writes to the command block are lost while this is so (ATA/ATAPI-6 7.2).
    @inlinable package var isOccupied: Bool { status & (Status.busy | Status.dataRequest) != 0 }

    /// Shows a signature (ATA/ATAPI-6 9.12). Nothing of an earlier command is left.
    package mutating func show(_ signature: Signature) {
        let device = taskFile.device & ~DeviceRegister.head
        taskFile = TaskFile()
        taskFile.count.current = signature.count
        taskFile.lbaLow.current = signature.lbaLow
        taskFile.lbaMid.current = signature.lbaMid
        taskFile.lbaHigh.current = signature.lbaHigh
        taskFile.device = device
        status = signature.status
        error = ErrorBits.passed
        window.close()
        isArmed = false
    }
}
