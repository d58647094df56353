import Glibc

// The slow path: bytes by address, whatever is there.
extension AddressSpace {
    /// Copies the bytes from `address` on into `buffer`, across regions. Each byte of memory is
    /// read once; devices are read in naturally aligned steps of the widths that they take.
    ///
    /// Throws at the first byte that cannot be read, with its address; those before it are in
    /// `buffer`.
    public func read(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestMemoryError) {
        guard let base = buffer.baseAddress else { return }
        try withMap { (map) throws(GuestMemoryError) in
            try map.read(at: address, into: base, count: buffer.count)
        }
    }

    /// Copies `buffer` to `address` on, across regions, and marks the pages written. Writes to ROM
    /// are lost.
    ///
    /// Throws at the first byte that cannot be written, with its address; those before it are
    /// written.
    public func write(
        at address: GuestAddress, from buffer: UnsafeRawBufferPointer
    ) throws(GuestMemoryError) {
        guard let base = buffer.baseAddress else { return }
        try withMap { (map) throws(GuestMemoryError) in
            try map.write(at: address, from: base, count: buffer.count)
        }
    }

    /// Writes `count` times `byte`, under the rules of ``write(at:from:)``.
    public func fill(
        at address: GuestAddress, with byte: UInt8, count: UInt64
    ) throws(GuestMemoryError) {
        try withMap { (map) throws(GuestMemoryError) in
            try map.fill(at: address, with: byte, count: count)
        }
    }

    /// Reads a little-endian integer.
    public func load<Value: FixedWidthInteger>(
        at address: GuestAddress, as type: Value.Type
    ) throws(GuestMemoryError) -> Value {
        var value: Value = 0
        let count = MemoryLayout<Value>.size
        try withMap { (map) throws(GuestMemoryError) in
            try map.read(at: address, into: &value, count: count)
        }
        return Value(littleEndian: value)
    }

    /// Writes a little-endian integer.
    public func store<Value: FixedWidthInteger>(
        _ value: Value, at address: GuestAddress
    ) throws(GuestMemoryError) {
        var value = value.littleEndian
        let count = MemoryLayout<Value>.size
        try withMap { (map) throws(GuestMemoryError) in
            try map.write(at: address, from: &value, count: count)
        }
    }

    private func withMap(
        _ body: (MemoryMap) throws(GuestMemoryError) -> Void
    ) throws(GuestMemoryError) {
        let (slot, map) = hold()
        defer { release(slot) }
        try body(map.takeUnretainedValue())
    }
}
