import Glibc

/// Zeroes, which are written where nothing else makes a range read as zeroes. Unchecked: its pointer is safe
/// to share because nobody writes to the memory behind it.
struct ZeroBlock: @unchecked Sendable {
    static let byteCount = 1 << 20
    static let shared = ZeroBlock()
    let base: UnsafeMutableRawPointer

    private init() {
        base = .allocate(byteCount: Self.byteCount, alignment: 65536)
        memset(base, 0, Self.byteCount)
    }
}
