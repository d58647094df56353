import Glibc

/// Memory that the kernel can transfer to directly, whatever an image demands of addresses.
final class AlignedMemory {
    let base: UnsafeMutableRawPointer
    let count: Int

    /// At least a page of alignment, so that one buffer serves before and after a re-probe.
    init(byteCount: Int, alignment: Int) {
        count = byteCount
        base = .allocate(byteCount: byteCount, alignment: Swift.max(alignment, 4096))
    }

    deinit { base.deallocate() }
}
