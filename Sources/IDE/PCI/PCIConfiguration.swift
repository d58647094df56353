internal import BlockState

/// The configuration space of the function (PCI 2.2, 6.1; 82371SB datasheet 2.3).
struct PCIConfiguration: ~Copyable {
    static let size = 256

    /// Offsets (PCI 2.2, figure 6-1).
    enum Offset {
        static let command = 0x04
        static let status = 0x06
        static let revision = 0x08
        static let latencyTimer = 0x0D
        static let firstBAR = 0x10
        static let interruptLine = 0x3C
        static let interruptPin = 0x3D
        /// 82371SB datasheet 2.3.10: IDETIM, one word a channel.
        static let timing = 0x40
    }

    /// Command register (6.2.2).
    enum Command {
        /// I/O ports answer.
        static let io: UInt8 = 1 << 0
        /// Memory answers, of which the function has none: the bit keeps what is written, as on a
        /// 82371SB in QEMU, since software asks for it back.
        static let memory: UInt8 = 1 << 1
        /// The function may reach memory.
        static let busMaster: UInt8 = 1 << 2
        /// In the upper byte (PCI 2.3, 6.2.2, bit 10): INTA stays low.
        static let interruptDisable: UInt8 = 1 << 2
    }

    /// Status register (PCI 2.3, 6.2.3), bit 3: the function wants INTA high.
    static let interruptStatus: UInt8 = 1 << 3

    /// Sizes in ports of the base address registers (PCI IDE Controller Specification 1.0, 2.2;
    /// SFF-8038i 2.0): command and control block of each channel, and the bus master.
    private static let barSizes: [UInt32] = [8, 4, 8, 4, 16]
    /// The bus master's.
    static let busMasterBAR = 4

    /// The first of the bus master's ports; beyond all ports while it has none or none answer.
    private(set) var busMasterPorts = Self.nowhere
    private static let nowhere: UInt32 = 1 << 16

    private let identity: PCIIdentity
    private let bytes: UnsafeMutablePointer<UInt8>
    /// Bits that keep what is written.
    private let writable: UnsafeMutablePointer<UInt8>

    init(_ identity: PCIIdentity) {
        self.identity = identity
        bytes = .allocate(capacity: Self.size)
        bytes.initialize(repeating: 0, count: Self.size)
        writable = .allocate(capacity: Self.size)
        writable.initialize(repeating: 0, count: Self.size)
        writable[Offset.command] = Command.io | Command.memory | Command.busMaster
        if identity.isNative { writable[Offset.command + 1] = Command.interruptDisable }
        if identity.isCMD646 {
            // The channels' timing, and what blocks their interrupts.
            for offset in 0x51...0x5B { writable[offset] = 0xFF }
            writable[CMD646.arttim23] = CMD646.timingMask
            writable[CMD646.mrdmode] = CMD646.blockMask
        }
        // Datasheet 2.3.7: bits 7:4.
        writable[Offset.latencyTimer] = 0xF0
        writable[Offset.interruptLine] = 0xFF
        for range in identity.timingRegisters {
            for offset in range { writable[offset] = 0xFF }
        }
        for bar in 0..<Self.barSizes.count where identity.isNative || bar == Self.busMasterBAR {
            let mask = ~(Self.barSizes[bar] - 1)
            for byte in 0..<4 {
                writable[Offset.firstBAR + 4 * bar + byte] =
                    UInt8(truncatingIfNeeded: mask >> UInt32(8 * byte))
            }
        }
        reset()
    }

    deinit {
        bytes.deallocate()
        writable.deallocate()
    }

    /// What the registers are after a reset.
    mutating func reset() {
        bytes.update(repeating: 0, count: Self.size)
        put16(0x00, identity.vendor)
        put16(0x02, identity.device)
        // Medium DEVSEL timing, fast back-to-back (datasheet 2.3.4).
        put16(Offset.status, 0x0280)
        bytes[Offset.revision] = identity.revision
        bytes[0x09] = identity.programmingInterface
        // Mass storage, IDE (PCI 2.2, appendix D.2).
        bytes[0x0A] = 0x01
        bytes[0x0B] = 0x01
        for bar in 0..<Self.barSizes.count where identity.isNative || bar == Self.busMasterBAR {
            // 6.2.5.1: bit 0 says that it is for ports.
            bytes[Offset.firstBAR + 4 * bar] = 1
        }
        if identity.isNative {
            bytes[Offset.interruptPin] = 1
        }
        if identity.isCMD646 {
            bytes[CMD646.control] = CMD646.channelsEnabled
        } else if identity.isNative {
            // Drivers take a channel whose IDE decode enable (bit 15) is off for absent.
            bytes[Offset.timing + 1] = 0x80
            bytes[Offset.timing + 3] = 0x80
        }
        placePorts()
    }

    private func put16(_ offset: Int, _ value: UInt16) {
        bytes[offset] = UInt8(truncatingIfNeeded: value)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: value >> 8)
    }

    /// FFh beyond the end.
    func read(_ offset: Int) -> UInt8 {
        (0..<Self.size).contains(offset) ? bytes[offset] : 0xFF
    }

    /// Changes the bits that can be changed.
    mutating func write(_ offset: Int, _ value: UInt8) {
        guard (0..<Self.size).contains(offset) else { return }
        bytes[offset] = bytes[offset] & ~writable[offset] | value & writable[offset]
        placePorts()
    }

    private mutating func placePorts() {
        let base = isIOEnabled ? base(ofBAR: Self.busMasterBAR) : nil
        busMasterPorts = base.map { UInt32($0) } ?? Self.nowhere
    }

    var isIOEnabled: Bool { bytes[Offset.command] & Command.io != 0 }

    var isInterruptDisabled: Bool {
        bytes[Offset.command + 1] & Command.interruptDisable != 0
    }

    var isMasterEnabled: Bool { bytes[Offset.command] & Command.busMaster != 0 }

    /// The first port of a base address register. `nil` while it has none: 0, as firmware leaves
    /// it, is no place, and there are 65536 ports.
    func base(ofBAR bar: Int) -> UInt16? {
        let register = UnsafeRawPointer(bytes + (Offset.firstBAR &+ 4 &* bar))
        let value = UInt32(littleEndian: register.loadUnaligned(as: UInt32.self)) & ~3
        return value == 0 ? nil : UInt16(exactly: value)
    }

    /// For a saved state: ``size`` bytes.
    var saved: [UInt8] { [UInt8](UnsafeBufferPointer(start: bytes, count: Self.size)) }

    /// Compares what cannot be written.
    func check(_ saved: [UInt8]) throws(StateError) {
        for (offset, value) in saved.enumerated() {
            guard (value ^ bytes[offset]) & ~writable[offset] == 0 else {
                throw .mismatch(field: "registers", reason: "register \(offset) is \(value)")
            }
        }
    }

    /// Takes over what ``check(_:)`` has accepted.
    mutating func load(_ saved: [UInt8]) {
        for (offset, value) in saved.enumerated() { write(offset, value) }
    }
}
