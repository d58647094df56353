/// Why a carrier begins no transfer for a command.
package enum TransferRefusal: Sendable, Hashable {
    /// The descriptor table cannot be read, or bus mastering is disabled.
    case fault
    /// The descriptor table describes less than the command needs. The command then ends without
    /// error and without an interrupt, and moves nothing.
    case short
    /// The table is good, but the command did not want a transfer: ``TransferDemand/isUnwanted``.
    case unwanted
}
