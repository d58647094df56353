import Glibc

/// Page-aligned memory between two pages of guard bytes, which nothing should ever write.
final class AlignedBuffer {
    /// What guards are made of, and what a buffer is before something is put into it.
    static let guardByte: UInt8 = 0xc7
    private static let page = 4096

    /// The usable bytes.
    let bytes: UnsafeMutableRawBufferPointer
    private let allocation: UnsafeMutableRawBufferPointer

    /// A buffer of `count` guard bytes.
    init(count: Int) {
        allocation = .allocate(byteCount: count + 2 * Self.page, alignment: Self.page)
        memset(allocation.baseAddress!, CInt(Self.guardByte), allocation.count)
        bytes = .init(rebasing: allocation[Self.page..<Self.page + count])
    }

    deinit {
        allocation.deallocate()
    }

    /// The size in bytes, guards not included.
    var count: Int { bytes.count }

    /// `length` bytes from `offset` on.
    func slice(_ offset: Int, _ length: Int) -> UnsafeMutableRawBufferPointer {
        .init(rebasing: bytes[offset..<offset + length])
    }

    /// Sets every byte.
    func fill(_ byte: UInt8) {
        if let start = bytes.baseAddress { memset(start, CInt(byte), count) }
    }

    /// Fills the buffer with random bytes.
    func fill(using random: inout SplitMix64) {
        RandomBytes.fill(bytes, using: &random)
    }

    /// Whether the bytes outside the buffer are what they were.
    var guardsAreIntact: Bool {
        let before = UnsafeRawBufferPointer(rebasing: allocation[..<Self.page])
        let after = UnsafeRawBufferPointer(rebasing: allocation[(Self.page + count)...])
        return GuardBytes.fill(before) && GuardBytes.fill(after)
    }

    /// Whether nothing has been put into the buffer either.
    var isUntouched: Bool {
        GuardBytes.fill(UnsafeRawBufferPointer(allocation))
    }
}

/// Comparisons with memcmp(3): a loop in Swift is too slow in a debug build.
enum GuardBytes {
    /// Whether `bytes` are all guard bytes.
    static func fill(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first, let start = bytes.baseAddress else { return true }
        return first == AlignedBuffer.guardByte && memcmp(start, start + 1, bytes.count - 1) == 0
    }
}

/// Whether two ranges of memory hold the same bytes.
func sameBytes(
    _ left: UnsafeMutableRawBufferPointer, _ right: UnsafeMutableRawBufferPointer
) -> Bool {
    guard left.count == right.count else { return false }
    guard let one = left.baseAddress, let other = right.baseAddress else { return true }
    return memcmp(one, other, left.count) == 0
}

/// Random contents, cut out of one pool: fast in a debug build, and different at every place.
enum RandomBytes {
    private static let pool: [UInt64] = {
        var random = SplitMix64(seed: 1)
        return (0..<(1 << 15)).map { _ in random.next() }
    }()

    /// Fills `target`.
    static func fill(_ target: UnsafeMutableRawBufferPointer, using random: inout SplitMix64) {
        pool.withUnsafeBytes { pool in
            var done = 0
            while done < target.count {
                let start = random.number(0...pool.count / 2)
                let length = min(target.count - done, pool.count / 2)
                memcpy(target.baseAddress! + done, pool.baseAddress! + start, length)
                done += length
            }
        }
    }
}
