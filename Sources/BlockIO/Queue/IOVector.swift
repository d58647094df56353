import BlockHost
package import Glibc

/// One buffer of a request: an iovec(3type) whose address is a number until somebody asks for the pointer.
///
/// Safe, because all that reaches the memory goes through ``base``. Whoever makes one from a pointer promises
/// that the memory stays until the request has completed, as the methods of ``BlockQueue`` ask of their callers.
@safe @usableFromInline
package struct IOVector {
    let vector: iovec

    /// The memory must stay until the request has completed.
    @unsafe
    package init(_ vector: iovec) { unsafe self.vector = vector }

    @unsafe
    init(_ buffer: UnsafeMutableRawBufferPointer) {
        unsafe vector = iovec(iov_base: buffer.baseAddress, iov_len: buffer.count)
    }

    /// For writing: the kernel only reads.
    @unsafe
    init(_ buffer: UnsafeRawBufferPointer) {
        unsafe self.init(UnsafeMutableRawBufferPointer(mutating: buffer))
    }

    /// The memory, which the caller of the queue lends and another may be changing; `nil` where the caller
    /// gave none.
    @unsafe
    package var base: UnsafeMutableRawPointer? { unsafe vector.iov_base }

    package var address: UInt { UInt(bitPattern: unsafe vector.iov_base) }

    /// In bytes.
    package var length: Int { unsafe vector.iov_len }

    /// Fills the memory with zeroes; false when some of it has gone.
    func clear() -> Bool {
        if length == 0 { return true }
        guard let base = unsafe base else { return false }
        return unsafe VolatileMemory.fill(base, with: 0, count: length) == .whole
    }

    /// Some of its bytes, as a buffer of their own.
    func part(_ range: Range<Int>) -> IOVector {
        precondition(
            UInt(bitPattern: range.upperBound) <= UInt(bitPattern: length),
            "a part of a buffer ends in the buffer")
        return unsafe IOVector(
            iovec(iov_base: base.map { unsafe $0 + range.lowerBound }, iov_len: range.count))
    }
}
