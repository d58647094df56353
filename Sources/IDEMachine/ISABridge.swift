import BlockPCI
import IDE

extension PCIFunctionLayout {
    /// Function 0 of the chip whose function 1 is the IDE function of this identity. A device with functions
    /// has one (PCI Local Bus 2.1, 6.2.1, Header Type): software that looks for devices asks there first.
    /// 8086:7000 is the PIIX3's (82371SB datasheet, 2.2.2), 8086:7110 the PIIX4's (82371AB datasheet,
    /// 4.1.2). It has no register to write, and nothing is behind it.
    static func isaBridge(besides identity: IDEIdentity) -> PCIFunctionLayout {
        var layout = PCIFunctionLayout(
            PCIIdentity(
                vendor: 0x8086, device: identity == .piix4 ? 0x7110 : 0x7000,
                // Bridge, ISA (PCI Local Bus 2.1, appendix D).
                baseClass: 0x06, subclass: 0x01))
        layout.isMultifunction = true
        return layout
    }
}
