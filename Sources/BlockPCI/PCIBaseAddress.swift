/// What a base address register decodes (PCI Local Bus 3.0, 6.2.5.1).
public enum PCIBaseAddress: Sendable, Hashable {
    /// I/O ports: a power of two from 4 to 65536. PCI Local Bus allows 256 at most.
    case io(size: Int)
    /// Memory, in bytes: a power of two from 16 on, up to 2^31 with 32 bits and 2^62 with 64. A register
    /// of 64 bits takes the place of two, so that the next one does not exist.
    case memory(size: Int, is64Bit: Bool = false, isPrefetchable: Bool = false)

    /// How many ports or bytes are decoded.
    public var size: Int {
        switch self {
        case .io(let size), .memory(let size, _, _): size
        }
    }

    var isIO: Bool { if case .io = self { true } else { false } }

    var is64Bit: Bool {
        if case .memory(_, let is64Bit, _) = self { is64Bit } else { false }
    }

    /// The lowest bits, which cannot be written: bit 0 says that it is for ports; of a register for
    /// memory bits 2 and 1 are the type, 10b for 64 bits, and bit 3 is prefetchable.
    var fixedBits: UInt8 {
        switch self {
        case .io: 1
        case .memory(_, let is64Bit, let isPrefetchable):
            (is64Bit ? 4 : 0) | (isPrefetchable ? 8 : 0)
        }
    }

    /// The bits that are the address.
    var addressMask: UInt64 { ~UInt64(size - 1) }

    /// Whether the size is one that this document allows.
    var isValid: Bool {
        let limits =
            switch self {
            case .io: 4...1 << 16
            case .memory(_, let is64Bit, _): 16...(is64Bit ? 1 << 62 : 1 << 31)
            }
        return limits.contains(size) && size & (size - 1) == 0
    }
}
