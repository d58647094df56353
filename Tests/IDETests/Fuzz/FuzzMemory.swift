import CTestSupport
import Glibc
import GuestMemory
import IDE
@testable import TestSupport

/// Guest memory of every kind, for tables to point at, and a record of which of its bytes DMA was
/// allowed to write.
///
/// Tables are in ROM, which no DMA changes: what the controller reads there is known exactly.
final class FuzzMemory {
    /// RAM that guest addresses lead to, from 0 on.
    static let size = 1 << 20
    /// Of the same block of host memory, before and behind: no address leads there.
    static let margin = 64 << 10
    static let hole: UInt32 = 0x8_0000
    static let tables: UInt32 = 0x20_0000
    static let tablesSize = 32 << 10
    static let flash: UInt32 = 0x22_0000
    static let flashSize = 16 << 10
    static let registers: UInt32 = 0x24_0000
    static let refusing: UInt32 = 0x25_0000
    static let own: UInt32 = 0x26_0000
    static let leadingBack: UInt32 = 0x27_0000
    static let remote: UInt32 = 0x28_0000
    static let deviceSize: UInt64 = 64 << 10

    let space: AddressSpace
    let ram: GuestRAM
    let rom: GuestRAM
    private let flashMemory: GuestRAM
    let devices: [FuzzDevice]
    /// Has the tables once more.
    let peer = HeldMemory(size: FuzzMemory.tablesSize)
    private var ownRegion: MappedRegion?
    private let ownDevice = FuzzDevice(.plain)

    private let former: UnsafeMutableRawPointer
    private let formerROM: UnsafeMutableRawPointer
    /// For each byte of RAM: 1 when DMA may have written it since the last comparison.
    private let allowed: UnsafeMutableRawPointer
    /// Nothing is known about what DMA may write.
    var isOpen = false
    private var dirty: Set<Int> = []

    init(_ random: inout SplitMix64) throws {
        space = try AddressSpace()
        let whole = Self.size + 2 * Self.margin
        ram = try GuestRAM(size: whole)
        rom = try GuestRAM(size: Self.tablesSize)
        flashMemory = try GuestRAM(size: Self.flashSize)
        devices = [.plain, .refusing, .leadingBack].map(FuzzDevice.init)
        former = .allocate(byteCount: whole, alignment: 4096)
        formerROM = .allocate(byteCount: Self.tablesSize, alignment: 4096)
        allowed = .allocate(byteCount: whole, alignment: 4096)
        allowed.initializeMemory(as: UInt8.self, repeating: 0, count: whole)
        cts_fill(ram.base, whole, random.next())
        former.copyMemory(from: ram.base, byteCount: whole)
        formerROM.copyMemory(from: rom.base, byteCount: Self.tablesSize)
        try space.map(.ram(ram, offset: Self.margin, size: Self.size), at: 0)
        try space.map(.hole(size: 4096), at: GuestAddress(Self.hole), priority: 1)
        try space.map(.rom(rom), at: GuestAddress(Self.tables))
        try space.map(.romDevice(flashMemory, device: ownDevice), at: GuestAddress(Self.flash))
        try space.map(
            .remote(peer, size: UInt64(Self.tablesSize)), at: GuestAddress(Self.remote))
        for (address, device) in zip([Self.registers, Self.refusing, Self.leadingBack], devices) {
            try space.map(
                .mmio(device, size: Self.deviceSize, maximumWidth: 8), at: GuestAddress(address))
        }
        ram.dirtyLog.start(.migration)
    }

    deinit {
        former.deallocate()
        formerROM.deallocate()
        allowed.deallocate()
    }

    /// A controller's registers, in memory once more.
    func attach(_ controller: IDEController) throws {
        if let ownRegion { try space.unmap(ownRegion) }
        ownRegion = try space.map(
            .mmio(
                FuzzDevice(.forbidden), size: Self.deviceSize, reentrancy: controller.reentrancy),
            at: GuestAddress(Self.own))
        for device in devices { device.controller = controller }
    }

    // MARK: Tables

    func setTable(_ words: [UInt32], at offset: Int) {
        for (index, word) in words.enumerated() where offset + 4 * index + 4 <= Self.tablesSize {
            rom.base.storeBytes(
                of: word.littleEndian, toByteOffset: offset + 4 * index, as: UInt32.self)
        }
        peer.bytes = Array(UnsafeRawBufferPointer(start: rom.base, count: Self.tablesSize))
        formerROM.copyMemory(from: rom.base, byteCount: Self.tablesSize)
    }

    /// The guest's processor writes a word.
    func poke(_ value: UInt64, at address: Int) {
        for memory in [ram.base, former] {
            memory.storeBytes(
                of: value.littleEndian, toByteOffset: Self.margin + address, as: UInt64.self)
        }
    }

    /// What the first `bytes` bytes of the table at `address` describe (SFF-8038i 1.2); `nil` when
    /// it is not where tables are known.
    func table(at address: UInt32, bytes: UInt64) -> [Range<UInt64>]? {
        var result: [Range<UInt64>] = []
        var left = bytes
        var place = Int(address) - Int(Self.tables)
        while left > 0 && result.count < 512 {
            guard place >= 0, place + 8 <= Self.tablesSize else { return nil }
            let first = rom.base.loadUnaligned(fromByteOffset: place, as: UInt32.self)
            let second = rom.base.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self)
            let start = UInt64(first & ~1)
            let size = second & 0xFFFE == 0 ? 65536 : UInt64(second & 0xFFFE)
            result.append(start..<start + min(size, left))
            left -= min(size, left)
            if second >> 31 != 0 { break }
            place += 8
        }
        return result
    }

    /// DMA may write these guest addresses from now on.
    func allow(_ ranges: [Range<UInt64>]) {
        for range in ranges where range.lowerBound < UInt64(Self.size) {
            let end = Int(min(range.upperBound, UInt64(Self.size)))
            let start = Int(range.lowerBound)
            memset(allowed + Self.margin + start, 1, end - start)
        }
    }

    // MARK: Comparison

    /// What has changed that must not have, if anything. Nothing is under way.
    func difference() -> String? {
        ram.dirtyLog.take(.migration) { dirty.formUnion($0) }
        defer {
            dirty.removeAll()
            memset(allowed, 0, Self.size + 2 * Self.margin)
            isOpen = false
        }
        if memcmp(rom.base, formerROM, Self.tablesSize) != 0 { return "ROM has changed" }
        if !isZero(flashMemory) { return "flash memory has changed" }
        for page in 0..<(Self.size + 2 * Self.margin) / 4096 {
            if let what = difference(inPage: page) { return what }
        }
        return nil
    }

    private func isZero(_ memory: GuestRAM) -> Bool {
        memory.base.load(as: UInt64.self) == 0
            && memcmp(memory.base, memory.base + 8, memory.size - 8) == 0
    }

    private func difference(inPage page: Int) -> String? {
        let start = page * 4096
        let isInside = start >= Self.margin && start < Self.margin + Self.size
        if dirty.contains(page), !isOpen, memchr(allowed + start, 1, 4096) == nil {
            return "page \(page) is marked and was not to be written"
        }
        if memcmp(ram.base + start, former + start, 4096) == 0 { return nil }
        if !isInside { return "page \(page) outside of all guest addresses has changed" }
        if !dirty.contains(page) { return "page \(page) has changed and is not marked" }
        let byte = cts_take_changes(ram.base + start, former + start, allowed + start, 4096)
        if byte >= 0, !isOpen {
            let address = String(start + byte - Self.margin, radix: 16)
            return "the byte at \(address)h has changed, which no descriptor covers"
        }
        return nil
    }
}

/// Registers in guest memory that count how often they are used.
final class FuzzDevice: MMIODevice, @unchecked Sendable {
    enum Kind {
        /// Takes everything.
        case plain
        /// Refuses some of its places.
        case refusing
        /// Uses the registers of the controller that does the DMA.
        case leadingBack
        /// Is never to be used.
        case forbidden
    }

    private let kind: Kind
    private(set) var accesses = 0
    weak var controller: IDEController?
    /// The controller was reached from within its own DMA.
    private(set) var hasRecurred = false
    /// The device is using the controller.
    private(set) var isInside = false

    init(_ kind: Kind) { self.kind = kind }

    func read(offset: UInt64, width: Int) -> UInt64? {
        accesses += 1
        switch kind {
        case .plain: return offset &* 0x9e37_79b9_7f4a_7c15
        case .refusing: return offset & 0x400 == 0 ? 1 : nil
        case .leadingBack:
            isInside = true
            defer { isInside = false }
            let value = controller?.readPort(
                ChannelPort.primary + UInt16(offset & 7), width: min(width, 4))
            if let value, value != UInt32.max >> UInt32(32 - 8 * min(width, 4)) {
                hasRecurred = true
            }
            return 0
        case .forbidden:
            hasRecurred = true
            return 0
        }
    }

    func write(offset: UInt64, width: Int, value: UInt64) -> Bool {
        accesses += 1
        switch kind {
        case .plain: return true
        case .refusing: return offset & 0x400 == 0
        case .leadingBack:
            isInside = true
            defer { isInside = false }
            controller?.writePort(
                ChannelPort.primary + UInt16(offset & 7), width: min(width, 4),
                value: UInt32(truncatingIfNeeded: value))
            controller?.writePort(
                IDEPort.deviceControl, width: 1, value: UInt32(DeviceControlBits.softwareReset))
            return true
        case .forbidden:
            hasRecurred = true
            return true
        }
    }
}
