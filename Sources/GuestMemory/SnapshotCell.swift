import BlockHost
import Glibc
import Synchronization

// @safe: a slot comes from `hold`, and keeps its snapshot until `release`.
/// Publishes one immutable object at a time to any number of threads, and tells when nobody uses a
/// former one any more.
///
/// `hold` and `release` are one locked instruction each and never wait. The word that says which
/// object is current counts in its low bits how often it was held; when another takes its place,
/// that count is settled against the releases, and the object is retired when they match.
@safe struct SnapshotCell<Snapshot: AnyObject>: ~Copyable {
    /// Where a snapshot stays while anybody holds it.
    typealias Slot = Int

    // @safe: the cell owns a reference to the snapshot while the entry has one.
    @safe private struct Entry: ~Copyable {
        var snapshot: Unmanaged<Snapshot>?
        /// The next of the slots that are free, if this one is.
        var nextFree: Slot?
        /// Before it is replaced: minus the releases. Afterwards: the holds that are left.
        let balance = Atomic<Int>(0)
    }

    private static var slotCount: Int { 4096 }
    private static var countBits: UInt64 { 52 }

    private let word: Atomic<UInt64>
    private let entries: UnsafeMutablePointer<Entry>
    private let firstFree: StablePointer<Slot?>

    init(_ first: Snapshot) {
        unsafe entries = .allocate(capacity: Self.slotCount)
        for slot in 0..<Self.slotCount {
            unsafe (entries + slot).initialize(to: Entry())
            unsafe entries[slot].nextFree = slot + 1 < Self.slotCount ? slot + 1 : nil
        }
        firstFree = StablePointer(allocating: 1)
        unsafe entries[0].snapshot = unsafe .passRetained(first)
        word = Atomic(0)
    }

    deinit {
        for slot in 0..<Self.slotCount { unsafe entries[slot].snapshot?.release() }
        unsafe entries.deinitialize(count: Self.slotCount)
        unsafe entries.deallocate()
        unsafe firstFree.destroy()
    }

    /// Holds the current snapshot. It stays until `release` was called as often.
    func hold() -> Slot {
        let old = word.add(1, ordering: .acquiringAndReleasing).oldValue
        return Slot(truncatingIfNeeded: old >> Self.countBits)
    }

    /// Holds the snapshot of a slot that the caller holds already `count` times more, if it is still the
    /// current one. Otherwise returns false: then the caller calls `holdFormer`.
    func holdCurrent(_ slot: Slot, count: Int) -> Bool {
        var old = word.load(ordering: .relaxed)
        while Slot(truncatingIfNeeded: old >> Self.countBits) == slot {
            let (isDone, found) = word.compareExchange(
                expected: old, desired: old &+ UInt64(count), ordering: .acquiringAndReleasing)
            if isDone { return true }
            old = found
        }
        return false
    }

    /// The snapshot in a slot that the caller holds.
    func snapshot(_ slot: Slot) -> Unmanaged<Snapshot> {
        unsafe entries[slot].snapshot.unsafelyUnwrapped
    }

    /// Ends `count` holds. True when they were the last ones of a snapshot that has been replaced: then
    /// the caller calls `retire`.
    func release(_ slot: Slot, count: Int = 1) -> Bool {
        unsafe entries[slot].balance.subtract(count, ordering: .acquiringAndReleasing).newValue == 0
    }

    // MARK: For the one who publishes, under a lock

    /// Makes `next` current. Returns the former one's slot and whether nobody holds it; `nil` when
    /// all slots are taken by held snapshots, and nothing has changed.
    func publish(_ next: Snapshot) -> (former: Slot, isFree: Bool)? {
        guard let slot = firstFree.pointee else { return nil }
        firstFree.pointee = unsafe entries[slot].nextFree
        unsafe entries[slot].snapshot = unsafe .passRetained(next)
        unsafe entries[slot].balance.store(0, ordering: .relaxed)
        let old = word.exchange(
            UInt64(slot) << Self.countBits, ordering: .acquiringAndReleasing)
        let former = Slot(truncatingIfNeeded: old >> Self.countBits)
        let holds = Int(truncatingIfNeeded: old & (1 << Self.countBits - 1))
        let left = unsafe entries[former].balance.add(holds, ordering: .acquiringAndReleasing)
            .newValue
        return (former, left == 0)
    }

    /// Holds the snapshot of a slot that the caller holds already `count` times more, after it has been
    /// replaced: its balance is then the holds that are left.
    func holdFormer(_ slot: Slot, count: Int) {
        unsafe entries[slot].balance.add(count, ordering: .acquiringAndReleasing)
    }

    /// Frees the slot of a snapshot that has been replaced and is no longer held. To be released
    /// after the lock: what goes with the snapshot may want the lock itself.
    func retire(_ slot: Slot) -> Unmanaged<Snapshot>? {
        defer {
            unsafe entries[slot].snapshot = nil
            unsafe entries[slot].nextFree = firstFree.pointee
            firstFree.pointee = slot
        }
        return unsafe entries[slot].snapshot
    }

    /// The current snapshot. Only for the one who publishes.
    var current: Snapshot {
        let slot = Slot(truncatingIfNeeded: word.load(ordering: .acquiring) >> Self.countBits)
        return unsafe entries[slot].snapshot.unsafelyUnwrapped.takeUnretainedValue()
    }
}
