import BlockHost
import Glibc
import Synchronization

/// What a device or a processor sees at each 64-bit physical address.
///
/// Regions are laid over each other by priority. Every change makes a new map as a whole; an access
/// or a transfer that has begun keeps the map it began with, and with it the memory and devices in
/// that map, to its end. Any thread may read, write and change the map at any time: what
/// changes is atomic or under the mutex.
public final class AddressSpace: @unchecked Sendable {
    /// The bounce buffers of all transfers in this space.
    public let bouncePool: BouncePool

    private let maps: SnapshotCell<MemoryMap>
    /// Some region of the current map is memory of another process.
    private let isPartlyRemote = Atomic(false)
    private let mutex = PthreadMutex()

    // Under the mutex.
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

        /// Removes a region; one that is not mapped counts as removed. `released` is called once
        /// no access or transfer uses it any more: at once, or later from the thread that ends
        /// the last one.
        public mutating func unmap(
            _ mapped: MappedRegion, released: (@Sendable () -> Void)? = nil
        ) {
            let isEffective = layout.remove(mapped)
            removals.append(
                Removal(mapped: mapped, isEffective: isEffective, released: released))
        }
    }

    /// Makes several changes as one; what `body` throws undoes them.
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
            gone?.release()
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
        if isFree { gone = maps.retire(slot) } else { held.append(version) }
        layout = changes.layout
        version = changes.version
        for removal in changes.removals {
            if removal.isEffective { removal.mapped.noteRemoval(in: version) }
            guard let released = removal.released else { continue }
            if !held.wait(for: removal.mapped.versions, released) { callbacks.append(released) }
        }
        return result
    }

    /// Adds a region whose first byte is at `base`. Where regions overlap, the one of higher
    /// `priority` is seen; of equals, the one mapped last.
    @discardableResult
    public func map(
        _ region: MemoryRegion, at base: GuestAddress, priority: Int = 0
    ) throws(GuestMemoryError) -> MappedRegion {
        try update { (changes) throws(GuestMemoryError) in
            try changes.map(region, at: base, priority: priority)
        }
    }

    /// Removes a region. `released` is called once no access or transfer uses it any more: at
    /// once, or later from the thread that ends the last one. Its memory stays mapped until then.
    public func unmap(
        _ mapped: MappedRegion, released: (@Sendable () -> Void)? = nil
    ) throws(GuestMemoryError) {
        try update { changes in changes.unmap(mapped, released: released) }
    }

    /// Whether it is worth looking for memory of other processes.
    var hasRemoteMemory: Bool { isPartlyRemote.load(ordering: .acquiring) }

    // MARK: Holding a map

    func hold() -> (slot: Int, map: Unmanaged<MemoryMap>) {
        let slot = maps.hold()
        return (slot, maps.snapshot(slot))
    }

    @inline(__always)
    func release(_ slot: Int) {
        if maps.release(slot) { retire(slot) }
    }

    private func retire(_ slot: Int) {
        mutex.lock()
        let gone = maps.retire(slot)
        let callbacks = gone.map { held.release($0._withUnsafeGuaranteedRef(\.version)) } ?? []
        mutex.unlock()
        gone?.release()
        for callback in callbacks { callback() }
    }
}
