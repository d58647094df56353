/// Which units of a memory are free, with the first run of free units that is long enough found in
/// logarithmic time, and taken or given back in time for each 64 units.
struct FreeRuns {
    /// A bit for each unit, set if it is taken.
    private var taken: [UInt64]
    /// A perfect binary tree over `taken`: node 1 is the root, nodes 2n and 2n + 1 are below node n, and
    /// the last half are for one word each.
    private var nodes: [Node]
    /// How many units are free.
    private(set) var count: Int

    /// The free units at the front of a stretch, at its back, and the longest run in it.
    fileprivate struct Node {
        var front: UInt32
        var back: UInt32
        var longest: UInt32
    }

    /// `count` free units: a power of two.
    init(count: Int) {
        self.count = count
        taken = Array(repeating: 0, count: Swift.max(count / 64, 1))
        if count < 64 { taken[0] = UInt64.max << UInt64(count) }
        nodes = Array(repeating: Node(front: 0, back: 0, longest: 0), count: 2 * taken.count)
        update(0...taken.count - 1)
    }

    /// Takes the first run of `length` units, 1 or more; where it begins.
    mutating func take(_ length: Int) -> Int? {
        guard length <= nodes[1].longest else { return nil }
        var node = 1
        var units = 64 * taken.count
        var start = 0
        while node < taken.count {
            units /= 2
            let left = nodes[2 * node]
            if left.longest >= length {
                node = 2 * node
            } else if Int(left.back) + Int(nodes[2 * node + 1].front) >= length {
                set(start + units - Int(left.back), length, isTaken: true)
                return start + units - Int(left.back)
            } else {
                node = 2 * node + 1
                start += units
            }
        }
        // The lowest bit that is followed by enough others.
        var runs = ~taken[node - taken.count]
        for _ in 1..<length { runs &= runs >> 1 }
        start += runs.trailingZeroBitCount
        set(start, length, isTaken: true)
        return start
    }

    /// Gives back a run that was taken.
    mutating func free(_ start: Int, _ length: Int) { set(start, length, isTaken: false) }

    private mutating func set(_ start: Int, _ length: Int, isTaken: Bool) {
        let words = start / 64...(start + length - 1) / 64
        for word in words {
            let first = Swift.max(start - 64 * word, 0)
            let last = Swift.min(start + length - 64 * word, 64) - 1
            let mask = (UInt64.max >> UInt64(63 - last + first)) << UInt64(first)
            if isTaken { taken[word] |= mask } else { taken[word] &= ~mask }
        }
        count += isTaken ? -length : length
        update(words)
    }

    private mutating func update(_ words: ClosedRange<Int>) {
        for word in words { nodes[taken.count + word] = Node(taken: taken[word]) }
        var first = (taken.count + words.lowerBound) / 2
        var last = (taken.count + words.upperBound) / 2
        var half: UInt32 = 64
        while first > 0 {
            for node in first...last {
                nodes[node] = Node(nodes[2 * node], nodes[2 * node + 1], half: half)
            }
            first /= 2
            last /= 2
            half *= 2
        }
    }
}

extension FreeRuns.Node {
    fileprivate init(taken: UInt64) {
        front = UInt32(taken.trailingZeroBitCount)
        back = UInt32(taken.leadingZeroBitCount)
        longest = 0
        var runs = ~taken
        if taken == 0 {
            longest = 64
        } else {
            while runs != 0 {
                runs &= runs >> 1
                longest += 1
            }
        }
    }

    /// Two stretches of `half` units each, one behind the other.
    fileprivate init(_ left: Self, _ right: Self, half: UInt32) {
        front = left.front == half ? half + right.front : left.front
        back = right.back == half ? half + left.back : right.back
        longest = max(left.longest, right.longest, left.back + right.front)
    }
}
