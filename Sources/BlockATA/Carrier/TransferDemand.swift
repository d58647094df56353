import GuestMemory

/// What an armed command needs of its carrier before it goes on.
package struct TransferDemand: Sendable, Hashable {
    /// Bytes of guest memory.
    package var bytes: UInt64 = 0
    /// Which way they go. The command decides, whatever the guest told its controller.
    package var direction = DMADirection.fromDevice
    /// A transfer in pieces is cut at multiples of this.
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

/// Why a carrier begins no transfer for a command.
package enum TransferRefusal: Sendable, Hashable {
    /// The descriptor table cannot be read, or the controller is not allowed to.
    case fault
    /// The descriptor table describes less than the command needs. The command then ends without
    /// error and without an interrupt, and moves nothing.
    case short
    /// The table is good, but the command did not want a transfer: ``TransferDemand/isUnwanted``.
    case unwanted
}
