import BlockHost

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

        /// The child on a side.
        subscript(side: Side) -> Int32 {
            get { side == .left ? left : right }
            set { if side == .left { left = newValue } else { right = newValue } }
        }
    }

    /// Smaller keys are on the left of a node, larger ones on its right.
    private enum Side {
        case left, right

        var other: Side { self == .left ? .right : .left }
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
        let side = key < node.key ? Side.left : .right
        let child = adding(key, to: node[side])
        nodes[Int(index)][side] = child
        if nodes[Int(child)].priority > node.priority { return raised(side, of: index) }
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

    /// Rotates the child on a side into the place of its parent. Returns the child.
    private mutating func raised(_ side: Side, of index: Int32) -> Int32 {
        let child = nodes[Int(index)][side]
        nodes[Int(index)][side] = nodes[Int(child)][side.other]
        nodes[Int(child)][side.other] = index
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
