import BlockHost

/// A multiset of byte ranges that answers whether any of them overlaps a given one.
///
/// The ranges that overlap [a, b) are those that begin before b, less those that end at or before
/// a. So two sorted multisets with counts are enough. Every call takes a time that grows with
/// the logarithm of the number of ranges, however they overlap.
struct RangeCounter {
    private var starts = SortedCounts()
    private var ends = SortedCounts()

    mutating func insert(_ range: Range<UInt64>) {
        starts.add(range.lowerBound)
        ends.add(range.upperBound)
    }

    mutating func remove(_ range: Range<UInt64>) {
        starts.remove(range.lowerBound)
        ends.remove(range.upperBound)
    }

    /// Gives back memory that many ranges took. There must be none in the set.
    mutating func releaseMemory() {
        starts.releaseMemory()
        ends.releaseMemory()
    }

    /// Neither this range nor those in the set are empty.
    func overlaps(_ range: Range<UInt64>) -> Bool {
        starts.count(below: range.upperBound) > ends.count(below: range.lowerBound &+ 1)
    }
}

/// A sorted multiset of numbers that counts those below a limit: a treap (Seidel, Aragon:
/// "Randomized Search Trees", 1996) in one array.
struct SortedCounts {
    private struct Node {
        var key: UInt64
        var priority: UInt64
        /// How often the key is in the set.
        var count = 1
        /// How many numbers the subtree has.
        var total = 1
        var left = SortedCounts.none
        var right = SortedCounts.none
    }

    private static let none: Int32 = -1
    private var nodes: [Node] = []
    private var root = SortedCounts.none
    /// Nodes that are not in use, linked by `left`.
    private var free = SortedCounts.none
    private var random = SplitMix64(seed: 0x5eed)

    func count(below limit: UInt64) -> Int {
        var number = 0
        var index = root
        while index != Self.none {
            let node = nodes[Int(index)]
            if node.key < limit {
                number += node.count + total(node.left)
                index = node.right
            } else {
                index = node.left
            }
        }
        return number
    }

    mutating func add(_ key: UInt64) { root = adding(key, to: root) }

    /// The number must be in the set.
    mutating func remove(_ key: UInt64) { root = removing(key, from: root) }

    /// The set must be empty.
    mutating func releaseMemory() {
        guard nodes.count > 4096 else { return }
        nodes = []
        free = Self.none
    }

    private func total(_ index: Int32) -> Int { index == Self.none ? 0 : nodes[Int(index)].total }

    private mutating func update(_ index: Int32) {
        let node = nodes[Int(index)]
        nodes[Int(index)].total = node.count + total(node.left) + total(node.right)
    }

    private mutating func adding(_ key: UInt64, to index: Int32) -> Int32 {
        if index == Self.none { return newNode(key) }
        let node = nodes[Int(index)]
        if key == node.key {
            nodes[Int(index)].count += 1
            nodes[Int(index)].total += 1
            return index
        }
        if key < node.key {
            let child = adding(key, to: node.left)
            nodes[Int(index)].left = child
            if nodes[Int(child)].priority > node.priority { return rotateRight(index) }
        } else {
            let child = adding(key, to: node.right)
            nodes[Int(index)].right = child
            if nodes[Int(child)].priority > node.priority { return rotateLeft(index) }
        }
        nodes[Int(index)].total += 1
        return index
    }

    private mutating func removing(_ key: UInt64, from index: Int32) -> Int32 {
        precondition(index != Self.none, "a range was taken out that is not in the set")
        let node = nodes[Int(index)]
        if key < node.key {
            nodes[Int(index)].left = removing(key, from: node.left)
        } else if key > node.key {
            nodes[Int(index)].right = removing(key, from: node.right)
        } else if node.count > 1 {
            nodes[Int(index)].count -= 1
        } else {
            let merged = merged(node.left, node.right)
            nodes[Int(index)].left = free
            free = index
            return merged
        }
        nodes[Int(index)].total -= 1
        return index
    }

    /// One tree of two, of which the first has the smaller keys.
    private mutating func merged(_ left: Int32, _ right: Int32) -> Int32 {
        if left == Self.none { return right }
        if right == Self.none { return left }
        if nodes[Int(left)].priority > nodes[Int(right)].priority {
            let child = merged(nodes[Int(left)].right, right)
            nodes[Int(left)].right = child
            update(left)
            return left
        }
        let child = merged(left, nodes[Int(right)].left)
        nodes[Int(right)].left = child
        update(right)
        return right
    }

    private mutating func rotateRight(_ index: Int32) -> Int32 {
        let child = nodes[Int(index)].left
        nodes[Int(index)].left = nodes[Int(child)].right
        nodes[Int(child)].right = index
        update(index)
        update(child)
        return child
    }

    private mutating func rotateLeft(_ index: Int32) -> Int32 {
        let child = nodes[Int(index)].right
        nodes[Int(index)].right = nodes[Int(child)].left
        nodes[Int(child)].left = index
        update(index)
        update(child)
        return child
    }

    private mutating func newNode(_ key: UInt64) -> Int32 {
        let node = Node(key: key, priority: random.next())
        if free == Self.none {
            nodes.append(node)
            return Int32(nodes.count - 1)
        }
        let index = free
        free = nodes[Int(index)].left
        nodes[Int(index)] = node
        return index
    }
}
