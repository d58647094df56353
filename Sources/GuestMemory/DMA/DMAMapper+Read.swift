import BlockHost

// For descriptors that a device reads once into memory of its own.
extension DMAMapper {
    /// Copies what the device sees from `address` on into `buffer`, under the rules of a transfer:
    /// through the gate and the resolvers, and refused where it would lead back into the device. It
    /// needs bounce buffers only if a resolver changes the data.
    ///
    /// Throws when not all of it can be read; `buffer` is undefined then.
    public func read(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestMemoryError) {
        unsafe try core.read(at: address, into: buffer, through: self)
    }

    /// The same for a device that does not know how many bytes there are: up to `buffer.count`, and if
    /// there is more than memory, in multiples of `unit`, at least one. So nothing is asked of registers
    /// that the device may not want to read. Returns how many bytes were read.
    package func readAhead(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer, unit: Int
    ) throws(GuestMemoryError) -> Int {
        unsafe try core.readAhead(at: address, into: buffer, unit: unit, through: self)
    }

    /// Whether ``remoteStretch(at:limit:)`` may find any.
    public var mayReachRemoteMemory: Bool { core.space.hasRemoteMemory && !core.hasResolvers }

    /// How many of the `limit` bytes from `address` on are memory, if some of them are in another process:
    /// ``read(at:into:)`` refuses those, and a transfer reaches them. `nil` if none are.
    public func remoteStretch(at address: GuestAddress, limit: Int) -> Int? {
        guard mayReachRemoteMemory else { return nil }
        let stretch = core.space.memoryStretch(at: address, limit: limit)
        return stretch.isRemote ? stretch.count : nil
    }
}

extension AddressSpace {
    /// How many of the `limit` bytes from `address` on are memory, up to the first that is a register or
    /// does not exist, and whether some of them are in another process.
    fileprivate func memoryStretch(
        at address: GuestAddress, limit: Int
    ) -> (count: Int, isRemote: Bool) {
        guard limit > 0 else { return (0, false) }
        // Nothing follows the last address.
        let limit = Int(Swift.min(UInt64(limit - 1), .max - address.rawValue)) + 1
        let (slot, map) = hold()
        defer { release(slot) }
        return map.with { map in
            var count = 0
            var isRemote = false
            while count < limit, let range = map.range(at: address &+ UInt64(count)),
                range.pointee.kind != .mmio
            {
                if range.pointee.kind == .remote { isRemote = true }
                let rest = range.pointee.last.offset(from: address &+ UInt64(count))
                count += rest >= UInt64(limit - count) ? limit - count : Int(rest) + 1
            }
            return (count, isRemote)
        }
    }
}

extension AddressSpace {
    /// Copies what lies in one piece of memory, as descriptors do: nothing that could lead back.
    /// False when it does not.
    fileprivate func readMemory(
        at address: GuestAddress, into target: UnsafeMutableRawPointer, count: Int
    ) -> Bool {
        let (slot, map) = hold()
        defer { release(slot) }
        let ranges = map.with { $0.ranges }
        guard let range = ranges.range(at: address), let host = unsafe range.pointee.host,
            range.pointee.watch == nil,
            UInt64(count) <= range.pointee.last.offset(from: address)
        else { return false }
        let offset = Int(truncatingIfNeeded: address.offset(from: range.pointee.first))
        return unsafe VolatileMemory.copy(to: target, from: host + offset, count: count) == .whole
    }
}

extension DMAMapper.Core {
    fileprivate func read(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer,
        through mapper: DMAMapper
    ) throws(GuestMemoryError) {
        guard let base = buffer.baseAddress else { return }
        guard isOpen.pointee else { throw GuestMemoryError(.gateClosed, at: address) }
        if hasResolvers { return unsafe try readMapped(at: address, into: buffer, through: mapper) }
        if unsafe space.readMemory(at: address, into: base, count: buffer.count) { return }
        unsafe try readPieces(at: address, into: buffer)
    }

    fileprivate func readAhead(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer, unit: Int,
        through mapper: DMAMapper
    ) throws(GuestMemoryError) -> Int {
        guard let base = buffer.baseAddress, unit > 0 else { return 0 }
        if hasResolvers || !isOpen.pointee {
            unsafe try read(at: address, into: buffer, through: mapper)
            return buffer.count
        }
        if unsafe space.readMemory(at: address, into: base, count: buffer.count) {
            return buffer.count
        }
        return unsafe try readMemoryAhead(at: address, into: buffer, unit: unit)
    }

    /// Where it is not all in one piece. Apart, because that is rare.
    @inline(never)
    private func readMemoryAhead(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer, unit: Int
    ) throws(GuestMemoryError) -> Int {
        let stretch = space.memoryStretch(at: address, limit: buffer.count).count
        let count =
            stretch == buffer.count
            ? stretch : min(max(stretch / unit, 1) * unit, buffer.count)
        unsafe try readPieces(
            at: address, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
        return count
    }

    private func readPieces(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestMemoryError) {
        try ReentrancyGuard.within(reentrancy) { () throws(GuestMemoryError) in
            unsafe try space.read(at: address, into: buffer)
        }
    }

    private func readMapped(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer,
        through mapper: DMAMapper
    ) throws(GuestMemoryError) {
        guard let base = buffer.baseAddress else { return }
        let mapping = try mapper.map(address: address, length: UInt64(buffer.count), .toDevice)
        var cursor = unsafe DMAPieceCursor(mapping.vectors, length: mapping.length)
        if unsafe cursor.move(base, count: buffer.count, .toDevice) == nil {
            // It knows which of the bytes are.
            try mapping.unmap()
            throw .lost(at: address &+ cursor.done)
        }
        try mapping.unmap()
    }
}
