/// The bytes of a function's configuration space, and the effect of a write on each (PCI Local Bus
/// 3.0, 6.1).
struct PCIConfigurationSpace: ~Copyable {
    /// In bytes.
    static let size = PCIRegister.conventionalEnd

    private var bytes = [UInt8](repeating: 0, count: Self.size)
    /// The registers after a reset.
    private var initial = [UInt8](repeating: 0, count: Self.size)
    /// Bits that keep the value that is written.
    private var writable = [UInt8](repeating: 0, count: Self.size)
    /// Bits that are cleared by writing 1.
    private var clearable = [UInt8](repeating: 0, count: Self.size)

    init(_ layout: PCIFunctionLayout) {
        lay(layout.identity)
        initial[PCIRegister.headerType] = layout.isMultifunction ? 0x80 : 0
        Self.put(layout.command.rawValue, &writable, PCIRegister.command)
        Self.put(layout.clearableStatus.rawValue, &clearable, PCIRegister.status)
        lay(layout.bars)
        if let pin = layout.interruptPin {
            initial[PCIRegister.interruptPin] = pin.rawValue
            writable[PCIRegister.interruptLine] = 0xFF
        }
        for block in layout.registers { lay(block) }
        lay(layout.capabilities)
        Self.put(Self.status(layout).rawValue, &initial, PCIRegister.status)
        reset()
    }

    // MARK: What the registers are

    private static func status(_ layout: PCIFunctionLayout) -> PCIStatus {
        layout.capabilities.isEmpty ? layout.status : layout.status.union(.capabilities)
    }

    private static func put(_ value: UInt16, _ target: inout [UInt8], _ offset: Int) {
        target[offset] = UInt8(truncatingIfNeeded: value)
        target[offset + 1] = UInt8(truncatingIfNeeded: value >> 8)
    }

    private mutating func lay(_ identity: PCIIdentity) {
        Self.put(identity.vendor, &initial, PCIRegister.vendor)
        Self.put(identity.device, &initial, PCIRegister.device)
        initial[PCIRegister.revision] = identity.revision
        initial[PCIRegister.programmingInterface] = identity.programmingInterface
        initial[PCIRegister.subclass] = identity.subclass
        initial[PCIRegister.baseClass] = identity.baseClass
        Self.put(identity.subsystemVendor, &initial, PCIRegister.subsystemVendor)
        Self.put(identity.subsystem, &initial, PCIRegister.subsystem)
    }

    private mutating func lay(_ bars: [PCIBaseAddress?]) {
        precondition(bars.count <= PCIFunction.barCount, "more than six base address registers")
        for (index, bar) in bars.enumerated() {
            guard let bar else { continue }
            precondition(bar.isValid, "base address register \(index) of \(bar.size) bytes")
            precondition(
                !bar.is64Bit || isFree(index + 1, of: bars), "no upper half of register \(index)")
            let offset = PCIRegister.firstBAR + 4 * index
            initial[offset] = bar.fixedBits
            for byte in 0..<(bar.is64Bit ? 8 : 4) {
                writable[offset + byte] =
                    UInt8(truncatingIfNeeded: bar.addressMask >> UInt64(8 * byte))
            }
        }
    }

    private func isFree(_ index: Int, of bars: [PCIBaseAddress?]) -> Bool {
        index < PCIFunction.barCount && (!bars.indices.contains(index) || bars[index] == nil)
    }

    private mutating func lay(_ block: PCIRegisterBlock) {
        let count = block.reset.count
        precondition(
            block.offset >= 0 && block.offset + count <= Self.size
                && block.writable.count == count && block.clearable.count == count,
            "registers at \(block.offset) outside the configuration space")
        for index in 0..<count {
            let offset = block.offset + index
            precondition(
                block.writable[index] & block.clearable[index] == 0,
                "register \(offset) keeps and clears the same bit")
            initial[offset] = block.reset[index]
            writable[offset] = block.writable[index]
            clearable[offset] = block.clearable[index]
        }
    }

    private mutating func lay(_ capabilities: [PCICapability]) {
        var pointer = PCIRegister.capabilities
        for capability in capabilities {
            let offset = capability.offset
            precondition(
                offset >= PCIRegister.deviceSpecific && offset % 4 == 0,
                "a capability at \(offset)")
            lay(capability.registers)
            initial[pointer] = UInt8(offset)
            initial[offset] = capability.id
            pointer = offset + 1
        }
    }

    // MARK: Accesses

    mutating func reset() { bytes.replaceSubrange(0..., with: initial) }

    /// FFh beyond the end.
    func read(_ offset: Int) -> UInt8 {
        (0..<Self.size).contains(offset) ? bytes[offset] : 0xFF
    }

    func read16(_ offset: Int) -> UInt16 {
        UInt16(read(offset)) | UInt16(read(offset + 1)) << 8
    }

    func read32(_ offset: Int) -> UInt32 {
        UInt32(read16(offset)) | UInt32(read16(offset + 2)) << 16
    }

    /// A guest's write: changes the bits that can be changed.
    mutating func write(_ offset: Int, _ value: UInt8) {
        guard (0..<Self.size).contains(offset) else { return }
        let kept = bytes[offset] & ~writable[offset] | value & writable[offset]
        bytes[offset] = kept & ~(value & clearable[offset])
    }

    /// The device's own change, of all bits.
    mutating func set(_ offset: Int, _ value: UInt8) {
        guard (0..<Self.size).contains(offset) else { return }
        bytes[offset] = value
    }

    /// Sets bits that a guest clears by writing 1.
    mutating func raise(_ offset: Int, _ bits: UInt8) {
        bytes[offset] |= bits & clearable[offset]
    }

    // MARK: Saved state

    /// All bytes.
    var content: [UInt8] { bytes }

    /// The first byte of `saved` whose constant bits are others than here.
    func firstDifference(from saved: some Sequence<UInt8>) -> Int? {
        for (offset, value) in saved.prefix(Self.size).enumerated() {
            let constant = ~(writable[offset] | clearable[offset])
            if (value ^ bytes[offset]) & constant != 0 { return offset }
        }
        return nil
    }

    mutating func restore(_ saved: some Sequence<UInt8>) {
        for (offset, value) in saved.prefix(Self.size).enumerated() {
            let changing = writable[offset] | clearable[offset]
            bytes[offset] = bytes[offset] & ~changing | value & changing
        }
    }
}
