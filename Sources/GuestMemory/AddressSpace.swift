import BlockHost
import Glibc
import Synchronization

/// The memory and devices that a device or a processor reaches at each 64-bit physical address.
///
/// Regions may overlap; priorities decide which one is visible. Every change makes a complete new
/// map. An access or a transfer keeps the map with which it began, and the memory and devices in
/// that map, until it ends. Any thread may read, write and change the map at any time.
///
/// `@unchecked`: every variable is atomic or guarded by the mutex.
public final class AddressSpace: @unchecked Sendable {
    /// The bounce buffers of all transfers in this space.
    public let bouncePool: BouncePool

    private let maps: SnapshotCell<MemoryMap>
    /// Some region of the current map is memory of another process.
    private let isPartlyRemote = Atomic(false)
    private let mutex = PthreadMutex()

    // The mutex guards these.
    private var layout = MapLayout()
    /// Of the current map.
    private var version: UInt64 = 0
    /// Maps that have been replaced and are still held.
    private var held = HeldVersions()

    /// An empty space. `bounceLimit` is the size of the bounce buffer that all transfers share: a
    /// power of two of at least 512 bytes, 1 MiB by default.
    public init(bounceLimit: Int = 1 << 20) throws(GuestMemoryError) {
        bouncePool = try BouncePool(size: bounceLimit)
        maps = SnapshotCell(MemoryMap(MapLayout(), version: 0))
    }

    // MARK: The map

    /// Changes of the map that become visible together.
    public struct Changes: ~Copyable {
        fileprivate var layout: MapLayout
        /// Of the map that they make.
        fileprivate let version: UInt64
        fileprivate var removals: [Removal] = []

        fileprivate struct Removal {
            let mapped: MappedRegion
            /// Whether the region was there.
            let isEffective: Bool
            let released: (@Sendable () -> Void)?
        }

        /// Adds a region whose first byte is at `base`.
        @discardableResult
        public mutating func map(
            _ region: MemoryRegion, at base: GuestAddress, priority: Int = 0
        ) throws(GuestMemoryError) -> MappedRegion {
            try region.validate(at: base)
            let mapped = MappedRegion(
                region, at: base, priority: priority, sequence: layout.additions, version: version)
            layout.add(mapped)
            return mapped
        }

        /// Removes a region; a region that is not mapped counts as removed. `released` is called
        /// once, when no access or transfer uses the region any more: before
        /// ``AddressSpace/update(_:)`` returns, or later on the thread that ends the last access or
        /// transfer.
        public mutating func unmap(
            _ mapped: MappedRegion, released: (@Sendable () -> Void)? = nil
        ) {
            let isEffective = layout.remove(mapped)
            removals.append(
                Removal(mapped: mapped, isEffective: isEffective, released: released))
        }
    }

    /// Makes several changes that become visible together. If `body` throws, none of them is made.
    @discardableResult
    public func update<Result>(
        _ body: (inout Changes) throws(GuestMemoryError) -> Result
    ) throws(GuestMemoryError) -> Result {
        var callbacks: [@Sendable () -> Void] = []
        var gone: Unmanaged<MemoryMap>?
        mutex.lock()
        let former = layout
        var changes = Changes(layout: former, version: version + 1)
        defer {
            mutex.unlock()
            unsafe gone?.release()
            for callback in callbacks { callback() }
            // With the last reference to a region its device goes, which may want the mutex.
            changes.layout = former
        }
        let result = try body(&changes)
        let isRemote = changes.layout.remoteRegions > 0
        // Nobody who sees such a region may think that there is none.
        if isRemote { isPartlyRemote.store(true, ordering: .releasing) }
        let next = MemoryMap(changes.layout, version: changes.version)
        guard let (slot, isFree) = maps.publish(next) else { throw GuestMemoryError(.tooManyMaps) }
        if !isRemote { isPartlyRemote.store(false, ordering: .releasing) }
        if isFree { unsafe gone = unsafe maps.retire(slot) } else { held.append(version) }
        layout = changes.layout
        version = changes.version
        for removal in changes.removals {
            if removal.isEffective { removal.mapped.noteRemoval(in: version) }
            guard let released = removal.released else { continue }
            if !held.wait(for: removal.mapped.versions, released) { callbacks.append(released) }
        }
        return result
    }

    /// Adds a region whose first byte is at `base`. Where regions overlap, the region of the
    /// highest `priority` is visible; among equals, the one that was mapped last.
    @discardableResult
    public func map(
        _ region: MemoryRegion, at base: GuestAddress, priority: Int = 0
    ) throws(GuestMemoryError) -> MappedRegion {
        try update { (changes) throws(GuestMemoryError) in
            try changes.map(region, at: base, priority: priority)
        }
    }

    /// Removes a region. `released` is called once, when no access or transfer uses the region any
    /// more: before this returns, or later on the thread that ends the last access or transfer. The
    /// memory of the region stays mapped until then.
    public func unmap(
        _ mapped: MappedRegion, released: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) {
        try update { changes in changes.unmap(mapped, released: released) }
    }

    /// Whether it is worth looking for memory of other processes.
    var hasRemoteMemory: Bool { isPartlyRemote.load(ordering: .acquiring) }

    // MARK: Holding a map

    func hold() -> (slot: Int, map: UnretainedReference<MemoryMap>) {
        let slot = maps.hold()
        // The cell keeps it until the slot is released.
        return (slot, unsafe UnretainedReference(maps.snapshot(slot)))
    }

    /// Holds the map in a slot that the caller holds already `count` times more.
    func hold(_ slot: Int, count: Int) {
        if maps.holdCurrent(slot, count: count) { return }
        // Under the mutex, so that whoever replaces it has settled the count.
        mutex.lock()
        maps.holdFormer(slot, count: count)
        mutex.unlock()
    }

    /// The map in a slot that the caller holds.
    func map(in slot: Int) -> UnretainedReference<MemoryMap> {
        // The cell keeps it until the slot is released.
        unsafe UnretainedReference(maps.snapshot(slot))
    }

    /// Ends `count` holds.
    func release(_ slot: Int, count: Int) {
        if maps.release(slot, count: count) { retire(slot) }
    }

    @inline(__always)
    func release(_ slot: Int) {
        if maps.release(slot) { retire(slot) }
    }

    private func retire(_ slot: Int) {
        mutex.lock()
        let gone = unsafe maps.retire(slot)
        let callbacks =
            unsafe gone.map { unsafe held.release($0._withUnsafeGuaranteedRef(\.version)) } ?? []
        mutex.unlock()
        unsafe gone?.release()
        for callback in callbacks { callback() }
    }
}
