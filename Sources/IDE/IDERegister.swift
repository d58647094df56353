/// A register that a guest accesses, whatever its port.
@nonexhaustive
public enum IDERegister: Sendable, Hashable {
    /// Command block of a channel (0 or 1), offset 0 to 7 (ATA/ATAPI-6 7.2).
    case command(channel: Int, offset: Int)
    /// Control block of a channel: device control and alternate status (ATA/ATAPI-6 7.2).
    case control(channel: Int)
    /// Bus master, offset 0 to 15 (SFF-8038i 3.0).
    case busMaster(offset: Int)
    /// PCI configuration space, offset 0 to 255.
    case configuration(offset: Int)
}

extension IDERegister: CustomStringConvertible {
    /// As in "command block 0+7".
    public var description: String {
        switch self {
        case .command(let channel, let offset): "command block \(channel)+\(offset)"
        case .control(let channel): "control block \(channel)"
        case .busMaster(let offset): "bus master +\(offset)"
        case .configuration(let offset): "configuration +\(offset)"
        }
    }
}
