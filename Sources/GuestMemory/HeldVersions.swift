/// The versions of something that have been replaced and are still held, and who waits for their end.
///
/// Every step takes constant time when those that were replaced first are released first. There are at
/// most as many versions as a ``SnapshotCell`` has slots.
struct HeldVersions {
    typealias Callback = @Sendable () -> Void

    /// In rising order.
    private var held: [UInt64] = []
    /// By the last of the versions that they wait for.
    private var waiting: [UInt64: [Waiter]] = [:]

    private struct Waiter {
        let versions: Range<UInt64>
        let callback: Callback
    }

    /// A version, greater than all before it, has been replaced while it was held.
    mutating func append(_ version: UInt64) { held.append(version) }

    /// Remembers `callback` until none of `versions`, which have been replaced, is held. False when none
    /// is now.
    mutating func wait(for versions: Range<UInt64>, _ callback: @escaping Callback) -> Bool {
        wait(Waiter(versions: versions, callback: callback))
    }

    /// Nobody holds a version any more. Returns what is to be called.
    mutating func release(_ version: UInt64) -> [Callback] {
        let place = place(of: version)
        guard place < held.count, held[place] == version else { return [] }
        held.remove(at: place)
        guard let waiters = waiting.removeValue(forKey: version) else { return [] }
        return waiters.filter { !wait($0) }.map(\.callback)
    }

    private mutating func wait(_ waiter: Waiter) -> Bool {
        let end = place(of: waiter.versions.upperBound)
        guard end > 0, held[end - 1] >= waiter.versions.lowerBound else { return false }
        waiting[held[end - 1], default: []].append(waiter)
        return true
    }

    /// How many held versions are below `version`.
    private func place(of version: UInt64) -> Int {
        var low = 0
        var high = held.count
        while low < high {
            let middle = (low + high) / 2
            if held[middle] < version { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
