import BlockHost
import Synchronization

/// An IOMMU that walks page tables in guest memory, in the format of second-level paging entries of
/// Intel's VT-d ("Virtualization Technology for Directed I/O", section 9.8): 4 KiB tables of 512
/// entries, bit 0 readable, bit 1 writable, bit 7 a page of 2 MiB or 1 GiB, bits 12 to 51 the
/// address. The rights of all levels are combined.
///
/// It caches no translations: each transfer walks the tables once, when it begins. After a guest
/// has changed the tables, ``invalidate(drained:)`` reports when no transfer uses the old
/// translations any more (draining, VT-d section 6.5.4).
///
/// `@unchecked`: every variable is atomic or guarded by the mutex.
public final class PageTableIOMMU: AddressResolver, @unchecked Sendable {
    private let space: AddressSpace
    private let levels: Int
    private let root: Atomic<UInt64>

    /// The time between two invalidations. Transfers hold the epoch in which they began.
    private final class Epoch: Sendable {
        let version: UInt64
        init(version: UInt64) { self.version = version }
    }

    private let epochs = SnapshotCell(Epoch(version: 0))
    private let mutex = PthreadMutex()
    // The mutex guards it.
    /// Epochs that are over and that transfers still hold.
    private var held = HeldVersions()

    /// An IOMMU whose tables are in `space`, the first one at `root`.
    ///
    /// - Parameters:
    ///   - space: Where tables and pages are.
    ///   - root: The first table, a multiple of 4096.
    ///   - levels: 3 translates 39 bits of address, 4 translates 48.
    public init(space: AddressSpace, root: GuestAddress, levels: Int = 4) throws(GuestMemoryError) {
        guard levels == 3 || levels == 4, root.rawValue & 0xfff == 0 else {
            throw GuestMemoryError(.invalidOption, at: root)
        }
        self.space = space
        self.levels = levels
        self.root = Atomic(root.rawValue)
    }

    /// Walks the tables to the page of `address`.
    public func resolve(
        _ address: GuestAddress, length: UInt64, direction: DMADirection
    ) throws(GuestMemoryError) -> ResolvedRange {
        var answer = try walk(address, direction)
        answer.length = Swift.min(answer.length, length)
        return answer
    }

    private func walk(
        _ address: GuestAddress, _ direction: DMADirection
    ) throws(GuestMemoryError) -> ResolvedRange {
        guard address.rawValue >> UInt64(12 + 9 * levels) == 0 else {
            throw GuestMemoryError(.notTranslated, at: address)
        }
        let right: UInt64 = direction == .toDevice ? 1 : 2
        var table = root.load(ordering: .acquiring)
        var rights: UInt64 = 3
        for level in (0..<levels).reversed() {
            let shift = UInt64(12 + 9 * level)
            let entry = try space.load(
                at: GuestAddress(table) &+ (address.rawValue >> shift & 511) &* 8, as: UInt64.self)
            guard entry & 3 != 0 else { throw GuestMemoryError(.notTranslated, at: address) }
            rights &= entry
            guard rights & right != 0 else { throw GuestMemoryError(.notPermitted, at: address) }
            let isPage = level == 0 || (level < 3 && entry & 0x80 != 0)
            table = entry & 0x000f_ffff_ffff_f000
            if isPage {
                let mask = 1 << shift - 1 as UInt64
                let offset = address.rawValue & mask
                return ResolvedRange(
                    address: GuestAddress(table & ~mask | offset), length: mask - offset &+ 1)
            }
        }
        throw GuestMemoryError(.notTranslated, at: address)
    }

    /// Changes the address of the first table, for transfers that begin from now on.
    public func setRoot(_ address: GuestAddress) {
        root.store(address.rawValue & ~0xfff, ordering: .releasing)
    }

    /// To be called after tables were changed. `drained` is called once, when every transfer that
    /// may use the former translations has ended: before this returns, or later on the thread that
    /// ends the last of them.
    public func invalidate(drained: @escaping @Sendable () -> Void) throws(GuestMemoryError) {
        mutex.lock()
        let current = epochs.current.version
        guard let (former, isFree) = epochs.publish(Epoch(version: current + 1)) else {
            mutex.unlock()
            throw GuestMemoryError(.tooManyMaps)
        }
        if isFree { unsafe epochs.retire(former)?.release() } else { held.append(current) }
        let isDrained = !held.wait(for: 0..<current + 1, drained)
        mutex.unlock()
        if isDrained { drained() }
    }

    /// Holds the present epoch.
    public func holdTranslations() -> Int { epochs.hold() }

    /// Releases the epoch that a transfer has held.
    public func releaseTranslations(_ token: Int) {
        guard epochs.release(token) else { return }
        mutex.lock()
        let gone = unsafe epochs.retire(token)
        let callbacks =
            unsafe gone.map { unsafe held.release($0._withUnsafeGuaranteedRef(\.version)) } ?? []
        mutex.unlock()
        unsafe gone?.release()
        for callback in callbacks { callback() }
    }
}
