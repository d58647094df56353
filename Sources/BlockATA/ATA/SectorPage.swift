/// A page of 512 bytes that a drive fills for the guest.
///
/// `@safe`, because every access is checked, and because a page exists only during a call of the
/// drive that fills it in its buffer.
@safe package struct SectorPage {
    private let bytes: UnsafeMutableRawBufferPointer

    /// Bytes in a page.
    static let size = 512

    /// A page of zeroes at the beginning of `buffer`.
    init(in buffer: DriveBuffer) {
        unsafe bytes = buffer.bytes(count: Self.size)
        buffer.clear(count: Self.size)
    }

    package subscript(place: Int) -> UInt8 {
        get { unsafe bytes[checked(place)] }
        nonmutating set { unsafe bytes[checked(place)] = newValue }
    }

    private func checked(_ place: Int) -> Int {
        precondition(place >= 0 && place < Self.size, "outside a page")
        return place
    }

    /// Fills the page with the beginning of `buffer`.
    func copy(from buffer: DriveBuffer) {
        unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(buffer.bytes(count: Self.size)))
    }

    /// Byte 511 makes the sum of all bytes 0.
    func seal() {
        self[511] = 0
        self[511] = unsafe 0 &- bytes.reduce(0, &+)
    }
}
