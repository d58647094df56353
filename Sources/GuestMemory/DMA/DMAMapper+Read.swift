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
        try core.read(at: address, into: buffer, through: self)
    }

    /// Whether ``remoteStretch(at:limit:)`` may find any.
    public var mayReachRemoteMemory: Bool { core.space.hasRemoteMemory && !core.hasResolvers }

    /// How many of the `limit` bytes from `address` on exist, if some of them are in another process:
    /// ``read(at:into:)`` refuses those, and a transfer reaches them. `nil` if none are.
    public func remoteStretch(at address: GuestAddress, limit: Int) -> Int? {
        guard mayReachRemoteMemory else { return nil }
        return core.space.remoteStretch(at: address, limit: limit)
    }
}

extension AddressSpace {
    fileprivate func remoteStretch(at address: GuestAddress, limit: Int) -> Int? {
        guard limit > 0 else { return nil }
        // Nothing follows the last address.
        let limit = Int(Swift.min(UInt64(limit - 1), .max - address.rawValue)) + 1
        let (slot, map) = hold()
        defer { release(slot) }
        return map._withUnsafeGuaranteedRef { map in
            var count = 0
            var isRemote = false
            while count < limit, let range = map.range(at: address &+ UInt64(count)) {
                if range.pointee.kind == .remote { isRemote = true }
                let rest = range.pointee.last.offset(from: address &+ UInt64(count))
                count += rest >= UInt64(limit - count) ? limit - count : Int(rest) + 1
            }
            return isRemote ? count : nil
        }
    }
}

extension AddressSpace {
    /// Copies what lies in one piece of memory, as descriptors do: nothing that could lead back. False
    /// when it does not.
    fileprivate func readMemory(
        at address: GuestAddress, into target: UnsafeMutableRawPointer, count: Int
    ) -> Bool {
        let (slot, map) = hold()
        defer { release(slot) }
        let ranges = map._withUnsafeGuaranteedRef { $0.ranges }
        guard let range = ranges.range(at: address), let host = range.pointee.host,
            range.pointee.watch == nil, UInt64(count) <= range.pointee.last.offset(from: address)
        else { return false }
        let offset = Int(truncatingIfNeeded: address.offset(from: range.pointee.first))
        return VolatileMemory.copy(to: target, from: host + offset, count: count) == .whole
    }
}

extension DMAMapper.Core {
    fileprivate func read(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer,
        through mapper: DMAMapper
    ) throws(GuestMemoryError) {
        guard let base = buffer.baseAddress else { return }
        guard isOpen.pointee else { throw GuestMemoryError(.gateClosed, at: address) }
        if hasResolvers { return try readMapped(at: address, into: buffer, through: mapper) }
        if space.readMemory(at: address, into: base, count: buffer.count) { return }
        try ReentrancyGuard.within(reentrancy) { () throws(GuestMemoryError) in
            try space.read(at: address, into: buffer)
        }
    }

    private func readMapped(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer,
        through mapper: DMAMapper
    ) throws(GuestMemoryError) {
        guard let base = buffer.baseAddress else { return }
        let mapping = try mapper.map(address: address, length: UInt64(buffer.count), .toDevice)
        var cursor = DMAPieceCursor(mapping.vectors, length: mapping.length)
        if cursor.move(base, count: buffer.count, .toDevice) == nil {
            // It knows which of the bytes are.
            try mapping.unmap()
            throw .lost(at: address &+ cursor.done)
        }
        try mapping.unmap()
    }
}
