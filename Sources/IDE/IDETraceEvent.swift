/// An event of a controller, for ``IDEController/trace``.
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
    /// The bus master read a descriptor table. `bytes` is how many bytes it describes, at most as
    /// many as the command needs.
    case table(channel: Int, entries: Int, bytes: UInt64)
    /// A line changed its level.
    case interrupt(IDEInterrupt, isRaised: Bool)
    /// A channel was reset.
    case reset(channel: Int)
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
