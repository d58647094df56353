/// A range of addresses with memory or a device behind it, to be mapped in an ``AddressSpace``.
public struct MemoryRegion: Sendable {
    /// What an access to the region does.
    @nonexhaustive
    public enum Kind: UInt8, Sendable {
        /// Memory that is read and written directly.
        case ram
        /// Memory that is read directly; writes are lost.
        case rom
        /// Memory that is read directly; writes are commands to a device (flash).
        case romDevice
        /// A device's registers.
        case mmio
        /// Memory in another process, which is reached by requests (``RemoteMemory``).
        case remote
        /// Nothing. It also hides regions of lower priority.
        case hole
    }

    /// The kind of region.
    public let kind: Kind
    /// The size in bytes: 1 or more.
    public let size: UInt64
    /// The memory behind it, for RAM, ROM and ROM devices.
    public let memory: GuestRAM?
    /// The offset in ``memory`` of the first byte of the region.
    public let memoryOffset: Int
    /// The device behind it, for MMIO and ROM devices.
    public let device: (any MMIODevice)?
    /// The memory of another process, for regions of that kind.
    public let remote: (any RemoteMemory)?
    /// Whether remote memory can be written; otherwise writes are lost, as with ROM.
    public let isWritable: Bool
    /// The guard that refuses accesses of the device to its own registers.
    public let reentrancy: ReentrancyGuard?
    /// The widest access that the device accepts: 1, 2, 4 or 8 bytes. Wider and misaligned accesses
    /// are divided.
    public let maximumWidth: Int

    private init(
        _ kind: Kind, size: UInt64, memory: GuestRAM? = nil, memoryOffset: Int = 0,
        device: (any MMIODevice)? = nil, reentrancy: ReentrancyGuard? = nil, maximumWidth: Int = 8,
        remote: (any RemoteMemory)? = nil, isWritable: Bool = true
    ) {
        self.kind = kind
        self.size = size
        self.memory = memory
        self.memoryOffset = memoryOffset
        self.device = device
        self.reentrancy = reentrancy
        self.maximumWidth = maximumWidth
        self.remote = remote
        self.isWritable = isWritable
    }

    private static func rest(_ memory: GuestRAM, _ offset: Int, _ size: Int?) -> UInt64 {
        UInt64(clamping: size ?? memory.size &- offset)
    }

    /// RAM: the `size` bytes of `memory` that begin at `offset`, by default up to the end of
    /// `memory`.
    public static func ram(_ memory: GuestRAM, offset: Int = 0, size: Int? = nil) -> Self {
        .init(.ram, size: rest(memory, offset, size), memory: memory, memoryOffset: offset)
    }

    /// ROM: the `size` bytes of `memory` that begin at `offset`, by default up to the end of
    /// `memory`. Writes are lost.
    public static func rom(_ memory: GuestRAM, offset: Int = 0, size: Int? = nil) -> Self {
        .init(.rom, size: rest(memory, offset, size), memory: memory, memoryOffset: offset)
    }

    /// ROM whose writes go to `device`, such as flash.
    ///
    /// While the device answers reads itself, such as flash that shows its status, map a region of
    /// ``mmio(_:size:reentrancy:maximumWidth:)`` in its place: exchange the two regions in one
    /// ``AddressSpace/update(_:)``.
    public static func romDevice(
        _ memory: GuestRAM, offset: Int = 0, size: Int? = nil, device: any MMIODevice,
        reentrancy: ReentrancyGuard? = nil, maximumWidth: Int = 4
    ) -> Self {
        .init(
            .romDevice, size: rest(memory, offset, size), memory: memory, memoryOffset: offset,
            device: device, reentrancy: reentrancy, maximumWidth: maximumWidth)
    }

    /// `size` bytes of registers of `device`.
    public static func mmio(
        _ device: any MMIODevice, size: UInt64, reentrancy: ReentrancyGuard? = nil,
        maximumWidth: Int = 4
    ) -> Self {
        .init(
            .mmio, size: size, device: device, reentrancy: reentrancy, maximumWidth: maximumWidth)
    }

    /// `size` bytes of memory in another process. Writes are lost unless `isWritable`.
    public static func remote(
        _ memory: any RemoteMemory, size: UInt64, isWritable: Bool = true
    ) -> Self {
        .init(.remote, size: size, remote: memory, isWritable: isWritable)
    }

    /// A hole of `size` bytes: every access fails.
    public static func hole(size: UInt64) -> Self { .init(.hole, size: size) }

    func validate(at base: GuestAddress) throws(GuestMemoryError) {
        let isInside = size > 0 && base.advanced(by: size - 1) != nil
        guard isInside else { throw GuestMemoryError(.invalidRegion, at: base) }
        if let memory {
            guard memoryOffset >= 0, memoryOffset <= memory.size,
                size <= UInt64(memory.size - memoryOffset)
            else { throw GuestMemoryError(.invalidRegion, at: base) }
        }
        guard [1, 2, 4, 8].contains(maximumWidth) else {
            throw GuestMemoryError(.invalidOption, at: base)
        }
    }
}
