import Glibc

// Accesses that are not transfers: bytes at an address, in memory and in devices.
extension AddressSpace {
    /// Fills `buffer` with the bytes that begin at `address`, across regions. Each byte of memory
    /// is read once. Devices are read in naturally aligned steps, none wider than
    /// ``MemoryRegion/maximumWidth``.
    ///
    /// Throws the address of the first byte that cannot be read. The bytes before it are in
    /// `buffer`.
    public func read(
        at address: GuestAddress, into buffer: UnsafeMutableRawBufferPointer
    ) throws(GuestMemoryError) {
        try withMap { (map) throws(GuestMemoryError) in
            unsafe try map.read(at: address, into: buffer)
        }
    }

    /// Copies `buffer` to the bytes that begin at `address`, across regions, and marks the pages
    /// that it writes. Writes to ROM are lost.
    ///
    /// Throws the address of the first byte that cannot be written. The bytes before it are
    /// written.
    public func write(
        at address: GuestAddress, from buffer: UnsafeRawBufferPointer
    ) throws(GuestMemoryError) {
        try withMap { (map) throws(GuestMemoryError) in
            unsafe try map.write(at: address, from: buffer)
        }
    }

    /// Writes `count` bytes of the value `byte`, under the rules of ``write(at:from:)``.
    public func fill(
        at address: GuestAddress, with byte: UInt8, count: UInt64
    ) throws(GuestMemoryError) {
        try withMap { (map) throws(GuestMemoryError) in
            try map.fill(at: address, with: byte, count: count)
        }
    }

    /// Reads the little-endian integer at `address`, under the rules of ``read(at:into:)``.
    public func load<Value: FixedWidthInteger>(
        at address: GuestAddress, as type: Value.Type
    ) throws(GuestMemoryError) -> Value {
        var value: Value = 0
        unsafe try withUnsafeMutableBytes(of: &value) { (bytes) throws(GuestMemoryError) in
            unsafe try read(at: address, into: bytes)
        }
        return Value(littleEndian: value)
    }

    /// Writes `value` to `address` as a little-endian integer, under the rules of
    /// ``write(at:from:)``.
    public func store<Value: FixedWidthInteger>(
        _ value: Value, at address: GuestAddress
    ) throws(GuestMemoryError) {
        unsafe try withUnsafeBytes(of: value.littleEndian) { (bytes) throws(GuestMemoryError) in
            unsafe try write(at: address, from: bytes)
        }
    }

    private func withMap(
        _ body: (MemoryMap) throws(GuestMemoryError) -> Void
    ) throws(GuestMemoryError) {
        let (slot, map) = hold()
        defer { release(slot) }
        try body(map.object)
    }
}
