import BlockHost
import Glibc

/// Memory that the kernel can transfer to directly, whatever an image demands of addresses.
///
/// Safe, because all copies stay inside it, and a list that names it is used no longer than its owner.
@safe final class AlignedMemory {
    private let base: UnsafeMutableRawPointer
    let count: Int

    /// At least a page of alignment, so that one buffer serves before and after a re-probe.
    init(byteCount: Int, alignment: Int) {
        count = byteCount
        unsafe base = .allocate(byteCount: byteCount, alignment: Swift.max(alignment, 4096))
    }

    deinit { unsafe base.deallocate() }

    /// Some of it, for the kernel.
    func vector(at offset: Int, _ count: Int) -> IOVector {
        unsafe IOVector(iovec(iov_base: place(offset, count), iov_len: count))
    }

    /// Copies `count` bytes from the place `start` of another.
    func copy(_ count: Int, from other: AlignedMemory, at start: Int, to offset: Int) {
        unsafe place(offset, count).copyMemory(from: other.place(start, count), byteCount: count)
    }

    /// Takes the bytes of a caller's buffer; false when some of its memory has gone.
    func copy(from buffer: IOVector, to offset: Int) -> Bool {
        guard let source = unsafe buffer.base else { return false }
        let target = unsafe place(offset, buffer.length)
        return unsafe VolatileMemory.copy(to: target, from: source, count: buffer.length) == .whole
    }

    /// Fills a caller's buffer; false when some of its memory has gone.
    func copy(to buffer: IOVector, from offset: Int) -> Bool {
        guard let target = unsafe buffer.base else { return false }
        let source = unsafe place(offset, buffer.length)
        return unsafe VolatileMemory.copy(to: target, from: source, count: buffer.length) == .whole
    }

    /// Where `count` bytes are.
    private func place(_ offset: Int, _ count: Int) -> UnsafeMutableRawPointer {
        precondition(
            offset >= 0 && count >= 0 && offset + count <= self.count,
            "bytes that are not in the memory")
        return unsafe base + offset
    }
}
