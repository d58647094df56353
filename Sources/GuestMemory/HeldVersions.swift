/// The versions of something that have been replaced and are still held, and who waits for their end.
///
/// In whatever order they are released, a waiter costs logarithmic time a few times; and each release moves
/// at most as many numbers as there are held versions, which a ``SnapshotCell`` limits.
struct HeldVersions {
    typealias Callback = @Sendable () -> Void

    /// In rising order.
    private var held: [UInt64] = []
    /// By the last of the versions that they wait for.
    private var waiting: [UInt64: Waiters] = [:]
    /// How many have ever waited.
    private var waits: UInt64 = 0

    /// A version, greater than all before it, has been replaced while it was held.
    mutating func append(_ version: UInt64) { held.append(version) }

    /// Remembers `callback` until none of `versions`, which have been replaced, is held. False when none
    /// is now.
    mutating func wait(for versions: Range<UInt64>, _ callback: @escaping Callback) -> Bool {
        let end = place(of: versions.upperBound)
        guard end > 0, held[end - 1] >= versions.lowerBound else { return false }
        waits += 1
        waiting[held[end - 1], default: Waiters()].insert(
            Waiter(first: versions.lowerBound, number: waits, callback: callback))
        return true
    }

    /// Nobody holds a version any more. Returns what is to be called, in the order in which it was
    /// remembered.
    mutating func release(_ version: UInt64) -> [Callback] {
        let place = place(of: version)
        guard place < held.count, held[place] == version else { return [] }
        held.remove(at: place)
        guard var waiters = waiting.removeValue(forKey: version) else { return [] }
        let next = place > 0 ? held[place - 1] : nil
        var done: [Waiter] = []
        while let first = waiters.greatestFirst, next.map({ $0 < first }) ?? true {
            done.append(waiters.removeGreatest())
        }
        if let next, waiters.greatestFirst != nil {
            waiting[next, default: Waiters()].insert(contentsOf: &waiters)
        }
        return done.sorted { $0.number < $1.number }.map(\.callback)
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

private struct Waiter {
    /// The first of the versions that it waits for.
    let first: UInt64
    /// The how-manieth it is.
    let number: UInt64
    let callback: HeldVersions.Callback
}

/// Waiters for the same last version, in a binary heap: the one whose first version is the greatest in
/// front.
private struct Waiters {
    private var heap: [Waiter] = []

    var greatestFirst: UInt64? { heap.first?.first }

    mutating func insert(_ waiter: Waiter) {
        heap.append(waiter)
        var place = heap.count - 1
        while place > 0, heap[(place - 1) / 2].first < heap[place].first {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    /// Takes all of `others`. The fewer go to the more, so that each goes a logarithmic number of times.
    mutating func insert(contentsOf others: inout Waiters) {
        if heap.count < others.heap.count { swap(&heap, &others.heap) }
        for waiter in others.heap { insert(waiter) }
        others.heap = []
    }

    mutating func removeGreatest() -> Waiter {
        heap.swapAt(0, heap.count - 1)
        let greatest = heap.removeLast()
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child].first < heap[child + 1].first { child += 1 }
            guard heap[place].first < heap[child].first else { break }
            heap.swapAt(place, child)
            place = child
        }
        return greatest
    }
}
