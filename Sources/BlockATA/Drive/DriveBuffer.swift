/// Memory in which a drive keeps data between its guest and the host, at an address of its own.
///
/// `@safe`, because every access is checked against the size of the buffer, and because the drive
/// frees it only when its last command has ended. What hands out an address is unsafe to use.
@safe package struct DriveBuffer {
    private let start: UnsafeMutableRawPointer
    /// Its size in bytes.
    package let count: Int

    /// A buffer of `count` zero bytes.
    init(count: Int, alignment: Int) {
        unsafe start = .allocate(byteCount: count, alignment: alignment)
        self.count = count
        clear(count: count)
    }

    /// Frees the memory: no copy of this may be used afterwards.
    @unsafe func deallocate() { unsafe start.deallocate() }

    /// The address of byte `place`, from which on there are `count` bytes.
    func address(of place: Int = 0, count: Int) -> UnsafeMutableRawPointer {
        precondition(
            place >= 0 && count >= 0 && count <= self.count &- place,
            "outside the buffer of a drive")
        return unsafe start + place
    }

    /// `count` bytes from `place` on.
    func bytes(at place: Int = 0, count: Int) -> UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: address(of: place, count: count), count: count)
    }

    /// Which byte of the buffer is at `address`.
    func place(of address: UnsafeMutableRawPointer) -> Int { unsafe address - start }

    subscript(place: Int) -> UInt8 { unsafe bytes(at: place, count: 1)[0] }

    /// The little-endian number of 8 bytes at `place`.
    func number(at place: Int) -> UInt64 {
        unsafe UInt64(littleEndian: address(of: place, count: 8).loadUnaligned(as: UInt64.self))
    }

    /// Writes zeroes to `count` bytes from `place` on.
    func clear(at place: Int = 0, count: Int) {
        unsafe bytes(at: place, count: count).initializeMemory(as: UInt8.self, repeating: 0)
    }

    /// Copies the first `count` bytes of another buffer to the beginning of this one.
    func copy(from other: DriveBuffer, count: Int) {
        unsafe bytes(count: count).copyMemory(
            from: UnsafeRawBufferPointer(other.bytes(count: count)))
    }

    // MARK: Saved state

    /// The first `count` bytes.
    func saved(count: Int) -> [UInt8] { unsafe Array(bytes(count: count)) }

    /// Writes bytes of a saved state to the beginning of the buffer.
    func load(_ data: [UInt8]) {
        unsafe data.withUnsafeBytes { unsafe bytes(count: data.count).copyMemory(from: $0) }
    }
}
