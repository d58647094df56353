/// Something that a controller did, as ``IDEController/trace`` sees it.
@nonexhaustive
public enum IDETraceEvent: Sendable, Hashable {
    /// The guest read a register; data ports are not among them.
    case read(IDERegister, width: Int, value: UInt32)
    /// The guest wrote a register; data ports are not among them.
    case write(IDERegister, width: Int, value: UInt32)
    /// A drive took a command.
    case command(IDESlot, opcode: UInt8, features: UInt16, count: UInt16, address: UInt64)
    /// A drive took a packet, of twelve bytes.
    case packet(IDESlot, [UInt8])
    /// A command has ended, or waits for the guest to move data.
    case status(IDESlot, status: UInt8, error: UInt8)
    /// The bus master read a descriptor table: bytes it describes, at most as many as needed.
    case table(channel: Int, entries: Int, bytes: UInt64)
    /// A line changed its level.
    case interrupt(IDEInterrupt, isRaised: Bool)
    /// A channel was reset.
    case reset(channel: Int)
}

/// A register as a guest addresses it, whatever the port.
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

extension IDETraceEvent: CustomStringConvertible {
    /// One line, numbers in hexadecimal.
    public var description: String {
        switch self {
        case .read(let register, let width, let value):
            "read  \(register) width \(width) = \(hex(value))"
        case .write(let register, let width, let value):
            "write \(register) width \(width) = \(hex(value))"
        case .command(let slot, let opcode, let features, let count, let address):
            "\(slot): command \(hex(opcode)) features \(hex(features)) count \(hex(count)) "
                + "address \(hex(address))"
        case .packet(let slot, let bytes):
            "\(slot): packet \(bytes.map { hex($0) }.joined(separator: " "))"
        case .status(let slot, let status, let error):
            "\(slot): status \(hex(status)) error \(hex(error))"
        case .table(let channel, let entries, let bytes):
            "channel \(channel): table of \(entries) entries, \(bytes) bytes"
        case .interrupt(let line, let isRaised): "\(line) \(isRaised ? "raised" : "lowered")"
        case .reset(let channel): "channel \(channel): reset"
        }
    }

    private func hex(_ value: some BinaryInteger) -> String { String(value, radix: 16) }
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
