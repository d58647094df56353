import BlockPCI

// The registers of the functions (82371SB datasheet 2.3, 82371AB datasheet 4.1, PCI0646U2 data sheet,
// chapter 5).
extension IDEIdentity {
    /// Sizes in ports of the base address registers (PCI IDE Controller Specification 1.0, 2.2;
    /// SFF-8038i 2.0): command and control block of each channel, and the bus master.
    private static let barSizes = [8, 4, 8, 4, 16]
    /// The bus master's.
    static let busMasterBAR = 4
    /// 82371SB datasheet 2.3.10: IDETIM, one word a channel.
    private static let timing = 0x40

    /// The function, as data.
    var layout: PCIFunctionLayout {
        var layout = PCIFunctionLayout(
            PCIIdentity(
                vendor: vendor, device: device, revision: revision,
                // Mass storage, IDE (PCI 2.2, appendix D.2).
                baseClass: 0x01, subclass: 0x01, programmingInterface: programmingInterface))
        // The function has no memory, but bit 1 keeps what is written, as on a 82371SB in QEMU, since
        // software asks for it back.
        layout.command = [.io, .memory, .busMaster]
        // Datasheet 2.3.4.
        layout.status = [.mediumTiming, .fastBackToBack]
        layout.bars = Self.barSizes.enumerated().map { bar, size in
            isNative || bar == Self.busMasterBAR ? .io(size: size) : nil
        }
        if isNative {
            layout.command.insert(.interruptDisable)
            layout.interruptPin = .a
        }
        layout.registers = [
            // Datasheet 2.3.7: bits 7:4.
            PCIRegisterBlock(at: PCIRegister.latencyTimer, keeping: 0xF0),
            PCIRegisterBlock(at: PCIRegister.interruptLine, keeping: 0xFF),
        ]
        layout.registers += timingRegisters.map {
            PCIRegisterBlock(at: $0.lowerBound, count: $0.count, keeping: 0xFF)
        }
        if isCMD646 {
            layout.registers += CMD646.registers
        } else if isNative {
            // Drivers take a channel whose IDE decode enable (bit 15) is off for absent.
            layout.registers.append(
                PCIRegisterBlock(
                    at: Self.timing, reset: [0, 0x80, 0, 0x80],
                    writable: [UInt8](repeating: 0xFF, count: 4)))
        }
        return layout
    }
}
