/// The direction of a transfer.
public enum DMADirection: UInt8, Sendable {
    /// Guest memory is read: a disk write, a packet sent.
    case toDevice
    /// Guest memory is written: a disk read, a packet received.
    case fromDevice
}
