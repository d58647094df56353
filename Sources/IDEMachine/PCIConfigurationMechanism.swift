import BlockPCI

/// Configuration mechanism 1 (PCI Local Bus 2.1, 3.7.4.1): an address register and a window.
struct PCIConfigurationMechanism {
    /// CONFIG_ADDRESS and CONFIG_DATA.
    static let ports: ClosedRange<UInt16> = 0xcf8...0xcff
    /// The lowest port of CONFIG_DATA.
    private static let data: UInt16 = 0xcfc
    /// CONFIG_ADDRESS bit 31: accesses to CONFIG_DATA are configuration cycles.
    private static let enable: UInt32 = 1 << 31

    /// A function and where it is on which bus.
    typealias Place = (bus: UInt8, device: UInt8, number: UInt8, function: PCIFunction)

    private var address: UInt32 = 0
    private let functions: [Place]

    init(_ functions: [Place]) { self.functions = functions }

    /// A read of one of ``ports``. All ones where nobody answers.
    func read(_ port: UInt16, width: Int) -> UInt32 {
        let nobody = UInt32.max >> UInt32(32 - 8 * width)
        guard port >= Self.data else {
            // Only a dword access is one to CONFIG_ADDRESS.
            return port == Self.ports.lowerBound && width == 4 ? address : nobody
        }
        guard let target, let offset = offset(port, width) else { return nobody }
        return target.readConfiguration(offset, width: width)
    }

    /// A write to one of ``ports``.
    mutating func write(_ port: UInt16, width: Int, value: UInt32) {
        if port >= Self.data {
            guard let target, let offset = offset(port, width) else { return }
            target.writeConfiguration(offset, width: width, value: value)
        } else if port == Self.ports.lowerBound && width == 4 {
            address = value
        }
    }

    /// The register behind a port; `nil` for an access that does not lie within a dword, which no
    /// configuration cycle can do.
    ///
    /// Bits 1 and 0 of the address must be zero, says the specification; those who write others
    /// into it mean the register of that number, so they count as those of the port do.
    private func offset(_ port: UInt16, _ width: Int) -> Int? {
        let offset = Int(address & 0xff) | Int(port - Self.data)
        return offset & 3 + width <= 4 ? offset : nil
    }

    /// The function that the address names (PCI Local Bus 2.1, 3.7.4.1, figure 3-20).
    private var target: PCIFunction? {
        guard address & Self.enable != 0 else { return nil }
        let bus = UInt8(truncatingIfNeeded: address >> 16)
        let device = UInt8(truncatingIfNeeded: address >> 11) & 31
        let number = UInt8(truncatingIfNeeded: address >> 8) & 7
        return functions.first { $0.bus == bus && $0.device == device && $0.number == number }?
            .function
    }
}
