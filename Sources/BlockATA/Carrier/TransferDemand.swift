package import GuestMemory

/// What an armed command needs of its carrier before it goes on. `@usableFromInline` because
/// ``DriveRegisters`` has one.
@usableFromInline package struct TransferDemand: Sendable, Hashable {
    /// Bytes of guest memory.
    package var bytes: UInt64 = 0
    /// Which way they go. The command decides, whatever the guest told its controller.
    package var direction = DMADirection.fromDevice
    /// Pieces of the transfer are cut at multiples of this, in bytes.
    package var unit = 1
    /// The command will fail in any case: the carrier looks at the descriptor table, but begins no
    /// transfer, and answers with ``TransferRefusal/unwanted``.
    package var isUnwanted = false
    /// The command runs again after a failure that its policy has kept: the descriptor table is used
    /// as it was read the first time.
    package var isRepeated = false

    package init(bytes: UInt64, direction: DMADirection, unit: Int) {
        self.bytes = bytes
        self.direction = direction
        self.unit = unit
    }

    /// Nothing, as for a command that is not armed.
    package init() {}
}
