import Glibc

/// Zeroes, which are written where nothing else makes a range read as zeroes. Unchecked: its pointer is safe
/// to share because nobody writes to the memory behind it.
@safe struct ZeroBlock: @unchecked Sendable {
    static let byteCount = 1 << 20
    static let shared = ZeroBlock()
    private let base: UnsafeMutableRawPointer

    private init() {
        unsafe base = .allocate(byteCount: Self.byteCount, alignment: 65536)
        unsafe memset(base, 0, Self.byteCount)
    }

    /// The first `count` bytes, for a write.
    func vector(_ count: Int) -> IOVector {
        precondition(count <= Self.byteCount, "bytes that are not in the block")
        return unsafe IOVector(iovec(iov_base: base, iov_len: count))
    }
}
