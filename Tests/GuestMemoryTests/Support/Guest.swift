import Glibc
import GuestMemory

@testable import TestSupport

/// An address space with one region of each kind.
final class Guest: Sendable {
    let space: AddressSpace
    /// 1 MiB at ``ramBase``, of random looking bytes, logged for migration.
    let ram: GuestRAM
    /// 64 KiB at ``romBase``, logged too.
    let rom: GuestRAM
    /// The memory of 64 KiB at ``flashBase``, logged too.
    let flash: GuestRAM
    /// What writes to the flash go to.
    let flashDevice = ByteStore(size: 64 << 10)
    /// 64 KiB at ``registersBase``.
    let registers = ByteStore(size: 64 << 10)

    static let ramBase: GuestAddress = 0
    static let romBase: GuestAddress = 0x20_0000
    static let flashBase: GuestAddress = 0x30_0000
    static let registersBase: GuestAddress = 0x40_0000
    /// What the registers hold at first.
    static let registerContent = pattern(64 << 10, seed: 3)
    /// Nothing is mapped here.
    static let hole: GuestAddress = 0x50_0000

    init(bounceLimit: Int = 1 << 20) throws {
        space = try AddressSpace(bounceLimit: bounceLimit)
        ram = try GuestRAM(size: 1 << 20)
        rom = try GuestRAM(size: 64 << 10)
        flash = try GuestRAM(size: 64 << 10)
        for (seed, memory) in [ram, rom, flash].enumerated() {
            var random = SplitMix64(seed: UInt64(seed))
            RandomBytes.fill(.init(start: memory.base, count: memory.size), using: &random)
            memory.dirtyLog.start(.migration)
        }
        registers.bytes = Self.registerContent
        try space.map(.ram(ram), at: Self.ramBase)
        try space.map(.rom(rom), at: Self.romBase)
        try space.map(.romDevice(flash, device: flashDevice), at: Self.flashBase)
        try space.map(.mmio(registers, size: 64 << 10), at: Self.registersBase)
    }

    /// Whether an iovec is all in the guest's memory.
    func isDirect(_ vector: iovec) -> Bool {
        [ram, rom, flash].contains { memory in
            memory.offset(of: vector.iov_base).map { $0 + vector.iov_len <= memory.size } ?? false
        }
    }

    /// The dirty pages of all memory, clean afterwards.
    func takeDirty() -> [[Int]] { [ram, rom, flash].map { $0.dirtyLog.takePages() } }

    /// Everything that can be changed.
    var content: [UInt8] {
        [ram, rom, flash].flatMap { $0.bytes(0..<$0.size) } + flashDevice.bytes + registers.bytes
    }
}
