import GuestMemory

/// What is at which guest address, and how the processor sees it: reads of nothing are zeroes,
/// writes to it are lost.
final class MachineMemory {
    /// What devices see.
    let space: AddressSpace
    /// Guest RAM, at address 0.
    let ram: GuestRAM

    /// Where what is behind the addresses may change, in order.
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
        for range in pieces(of: address, count: UInt64(buffer.count)) {
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[Self.indices(of: range)])
            do {
                try space.read(at: address &+ range.lowerBound, into: piece)
            } catch {
                piece.initializeMemory(as: UInt8.self, repeating: 0)
            }
        }
    }

    func write(at address: GuestAddress, from buffer: UnsafeRawBufferPointer) {
        for range in pieces(of: address, count: UInt64(buffer.count)) {
            let piece = UnsafeRawBufferPointer(rebasing: buffer[Self.indices(of: range)])
            try? space.write(at: address &+ range.lowerBound, from: piece)
        }
    }

    func fill(at address: GuestAddress, with byte: UInt8, count: UInt64) {
        for range in pieces(of: address, count: count) {
            try? space.fill(
                at: address &+ range.lowerBound, with: byte,
                count: range.upperBound - range.lowerBound)
        }
    }

    /// The ranges, from `address` on, that lie between two borders each: all there or not at all.
    private func pieces(of address: GuestAddress, count: UInt64) -> [Range<UInt64>] {
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
