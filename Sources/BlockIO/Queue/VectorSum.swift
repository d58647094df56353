public import Glibc

/// What the elements of a list have together: what a check needs to know of them.
///
/// Inlined into callers, which is why its parts are usable from inline code.
@usableFromInline
struct VectorSum {
    /// The disjunction of the bits of all addresses.
    @usableFromInline var addressBits: UInt
    /// The disjunction of the bits of all lengths.
    @usableFromInline let lengthBits: UInt
    /// The sum of the lengths. It wraps.
    @usableFromInline let total: UInt
    /// Whether `total` may have wrapped: no sum of 2^20 lengths below 2^43 does.
    @usableFromInline let mayOverflow: Bool

    @inline(__always)
    init(_ vectors: IOVectorList) {
        // Address and length together.
        var bits = SIMD2<UInt>()
        var sum = SIMD2<UInt>()
        if let base = unsafe vectors.base {
            let raw = unsafe UnsafeRawPointer(base)
            for index in 0..<vectors.count {
                let vector = unsafe raw.loadUnaligned(
                    fromByteOffset: index &* MemoryLayout<iovec>.stride, as: SIMD2<UInt>.self)
                bits |= vector
                sum &+= vector
            }
        }
        addressBits = bits[0]
        lengthBits = bits[1]
        total = sum[1]
        mayOverflow = lengthBits >> 43 != 0 || vectors.count >> 20 != 0
    }

    /// A list of one element.
    @inline(__always)
    @inlinable
    init(_ vector: iovec) {
        addressBits = UInt(bitPattern: unsafe vector.iov_base)
        lengthBits = UInt(bitPattern: unsafe vector.iov_len)
        total = lengthBits
        mayOverflow = false
    }
}
