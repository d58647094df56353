import BlockHost
import Synchronization
import VirtioBlock

/// The part of one ring in an ``InflightRegion`` ("Inflight I/O tracking", split virtqueue).
///
/// The program can be killed between any two stores, and other programs then find them as they were made:
/// only their order counts, which the fences fix for the compiler.
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 8 | features; not used |
/// | 8 | 2 | version |
/// | 10 | 2 | number of descriptors |
/// | 12 | 2 | the request that was used last |
/// | 14 | 2 | index of the used ring when the last batch was complete |
/// | 16 + 16 n | 1 | whether request n is under way |
/// | 22 + 16 n | 2 | the request that was used before request n |
/// | 24 + 16 n | 8 | a number that increases from request to request |
///
/// `@safe`, because heads are below `size`, which the region has room for, and because the log keeps the
/// region. The region is shared with the front end: what it contains is checked when it is read.
@safe final class InflightLog: VirtioInflightLog {
    private static let lastOffset = 12
    private static let usedOffset = 14

    private let region: InflightRegion
    private let part: UnsafeMutableRawPointer
    private let size: Int
    /// The next number, behind a pointer so that no access is checked at run time.
    private let counter = StablePointer<UInt64>(allocating: 1)

    /// The log of ring `index`, which has `size` descriptors, not more than the region allows.
    init(_ region: InflightRegion, _ index: Int, size: Int) {
        precondition(index < region.queueCount && size <= region.queueSize, "outside the region")
        self.region = region
        self.size = size
        unsafe part = unsafe region.part(of: index)
    }

    // Only this object has the pointer.
    deinit { unsafe counter.destroy() }

    // MARK: A ring that runs

    func requestTaken(_ head: UInt16) {
        guard Int(head) < size else { return }
        let entry = entry(head)
        unsafe part.storeBytes(of: counter.pointee, toByteOffset: entry + 8, as: UInt64.self)
        counter.pointee &+= 1
        atomicMemoryFence(ordering: .releasing)
        unsafe part.storeBytes(of: 1, toByteOffset: entry, as: UInt8.self)
        atomicMemoryFence(ordering: .releasing)
    }

    func requestUsed(_ head: UInt16) {
        guard Int(head) < size else { return }
        let last = unsafe part.load(fromByteOffset: Self.lastOffset, as: UInt16.self)
        unsafe part.storeBytes(of: last, toByteOffset: entry(head) + 6, as: UInt16.self)
        atomicMemoryFence(ordering: .releasing)
        unsafe part.storeBytes(of: head, toByteOffset: Self.lastOffset, as: UInt16.self)
        atomicMemoryFence(ordering: .releasing)
    }

    func batchPublished(_ usedIndex: UInt16) {
        atomicMemoryFence(ordering: .releasing)
        let before = unsafe part.load(fromByteOffset: Self.usedOffset, as: UInt16.self)
        clearBatch(of: Int(usedIndex &- before))
        unsafe part.storeBytes(of: usedIndex, toByteOffset: Self.usedOffset, as: UInt16.self)
    }

    /// Clears the flags of the `count` requests that were used last.
    private func clearBatch(of count: Int) {
        var head = unsafe part.load(fromByteOffset: Self.lastOffset, as: UInt16.self)
        for _ in 0..<min(count, size) {
            guard Int(head) < size else { return }
            unsafe part.storeBytes(of: 0, toByteOffset: entry(head), as: UInt8.self)
            head = unsafe part.load(fromByteOffset: entry(head) + 6, as: UInt16.self)
        }
        atomicMemoryFence(ordering: .releasing)
    }

    // MARK: A ring that starts

    /// The requests that were under way when the last server ended, in the order in which it took them,
    /// for a ring whose used index is `usedIndex` in memory. The log is as after a complete batch then.
    func resume(usedIndex: UInt16) -> [UInt16] {
        let before = unsafe part.load(fromByteOffset: Self.usedOffset, as: UInt16.self)
        // The index was stored, and not all flags of its batch were cleared.
        let unfinished = Int(usedIndex &- before)
        if unfinished <= size { clearBatch(of: unfinished) }
        unsafe part.storeBytes(of: usedIndex, toByteOffset: Self.usedOffset, as: UInt16.self)
        var underWay: [(number: UInt64, head: UInt16)] = []
        for head in 0..<UInt16(size) {
            let isUnderWay = unsafe part.load(fromByteOffset: entry(head), as: UInt8.self) != 0
            guard isUnderWay else { continue }
            let number = unsafe part.load(fromByteOffset: entry(head) + 8, as: UInt64.self)
            underWay.append((number, head))
        }
        underWay.sort { $0.number < $1.number }
        counter.pointee = (underWay.last?.number ?? 0) &+ 1
        return underWay.map(\.head)
    }

    private func entry(_ head: UInt16) -> Int { 16 + 16 * Int(head) }
}
