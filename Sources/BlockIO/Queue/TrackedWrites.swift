/// The writes under way on an image whose host alignment is more than a byte, oldest first.
///
/// A write that has to read a block, modify and write it is exclusive: it waits for every earlier
/// write that touches one of its blocks, and later ones wait for it, so that two writes to
/// neighbouring sectors of one block never undo each other. Waiting only for earlier ones, no two
/// ever wait for each other.
struct TrackedWrites {
    private var first: RequestPointer?
    private var last: RequestPointer?
    /// Members in ``IORequest/Phase/blocked``.
    private(set) var blockedCount = 0

    /// Adds a write; true when it has to wait.
    mutating func add(_ request: RequestPointer, isExclusive: Bool, blockMask: UInt64) -> Bool {
        request.pointee.isTracked = true
        request.pointee.isExclusive = isExclusive
        request.pointee.trackedNext = nil
        request.pointee.trackedPrevious = last
        if let last {
            last.pointee.trackedNext = request
        } else {
            first = request
        }
        last = request
        guard isExclusive || exclusiveCount > 0 else { return false }
        if isExclusive { exclusiveCount += 1 }
        guard hasToWait(request, blockMask) else { return false }
        blockedCount += 1
        return true
    }

    /// Takes a write out, blocked or not.
    mutating func remove(_ request: RequestPointer) {
        if request.pointee.phase == .blocked { blockedCount -= 1 }
        if request.pointee.isExclusive { exclusiveCount -= 1 }
        let next = request.pointee.trackedNext
        let previous = request.pointee.trackedPrevious
        if let next { next.pointee.trackedPrevious = previous } else { last = previous }
        if let previous { previous.pointee.trackedNext = next } else { first = next }
        request.pointee.isTracked = false
    }

    /// The oldest blocked write that need not wait any longer, no longer counted as blocked.
    mutating func popUnblocked(blockMask: UInt64) -> RequestPointer? {
        var candidate = blockedCount > 0 ? first : nil
        while let request = candidate {
            if request.pointee.phase == .blocked && !hasToWait(request, blockMask) {
                blockedCount -= 1
                return request
            }
            candidate = request.pointee.trackedNext
        }
        return nil
    }

    private var exclusiveCount = 0

    private func hasToWait(_ request: RequestPointer, _ blockMask: UInt64) -> Bool {
        let start = request.pointee.offset & ~blockMask
        let end = (request.pointee.offset + request.pointee.length + blockMask) & ~blockMask
        var earlier = request.pointee.trackedPrevious
        while let other = earlier {
            if request.pointee.isExclusive || other.pointee.isExclusive {
                let otherStart = other.pointee.offset & ~blockMask
                let otherEnd =
                    (other.pointee.offset + other.pointee.length + blockMask) & ~blockMask
                if start < otherEnd && otherStart < end { return true }
            }
            earlier = other.pointee.trackedPrevious
        }
        return false
    }
}
