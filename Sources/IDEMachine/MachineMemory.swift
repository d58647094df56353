import GuestMemory

/// The guest memory of the machine as the processor sees it: where there is nothing, reads are
/// zeroes and writes are lost.
final class MachineMemory {
    /// The memory as devices see it.
    let space: AddressSpace
    /// Guest RAM, at address 0.
    let ram: GuestRAM

    /// The addresses where one region may end and another begin, in ascending order.
    private var borders: [GuestAddress]

    init(_ options: MachineOptions) throws {
        // A memfd, so that it can be shared with another process.
        ram = try GuestRAM(size: options.memory << 20, sharing: .descriptor)
        space = try AddressSpace(bounceLimit: options.bounceLimit)
        borders = [GuestAddress(UInt64(ram.size))]
        try space.map(.ram(ram), at: 0)
        ram.dirtyLog.start(.migration)
        for hole in options.hole { try lay(.hole(size: hole.size), at: hole.base) }
        for rom in options.rom {
            let memory = try GuestRAM(pagesFor: rom.size)
            try lay(.rom(memory, size: Int(clamping: rom.size)), at: rom.base)
        }
        for store in options.mmio {
            try lay(.mmio(try ByteStore(size: store.size), size: store.size), at: store.base)
        }
    }

    /// Puts a region over the RAM.
    func lay(_ region: MemoryRegion, at base: GuestAddress) throws {
        try space.map(region, at: base, priority: 1)
        borders += [base, base &+ region.size]
        borders.sort()
    }

    func read(at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer) {
        for range in ranges(of: address, count: UInt64(buffer.count)) {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[Self.indices(of: range)])
            do {
                try space.read(at: address &+ range.lowerBound, into: part)
            } catch {
                part.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
    }

    func write(at address: GuestAddress, from buffer: UnsafeRawBufferPointer) {
        for range in ranges(of: address, count: UInt64(buffer.count)) {
            let part = UnsafeRawBufferPointer(rebasing: buffer[Self.indices(of: range)])
            try? space.write(at: address &+ range.lowerBound, from: part)
        }
    }

    func fill(at address: GuestAddress, with byte: UInt8, count: UInt64) {
        for range in ranges(of: address, count: count) {
            try? space.fill(
                at: address &+ range.lowerBound, with: byte,
                count: range.upperBound - range.lowerBound)
        }
    }

    /// Divides `count` bytes from `address` on at the borders: each range, relative to `address`,
    /// exists completely or not at all.
    private func ranges(of address: GuestAddress, count: UInt64) -> [Range<UInt64>] {
        guard count > 0 else { return [] }
        let end = address.advanced(by: count)
        let inside = borders.filter { border in
            border > address && (end.map { border < $0 } ?? true)
        }.map { $0.offset(from: address) }
        let cuts = [0] + inside + [count]
        return zip(cuts, cuts.dropFirst()).filter { $0 < $1 }.map { $0..<$1 }
    }

    private static func indices(of range: Range<UInt64>) -> Range<Int> {
        Int(range.lowerBound)..<Int(range.upperBound)
    }
}
