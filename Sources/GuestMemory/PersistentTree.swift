/// What a ``PersistentTree`` keeps.
protocol TreeValue: Sendable {
    /// What is known of a subtree.
    associatedtype Summary
    /// Of a subtree with this root, from those of the subtrees below it.
    func summary(_ left: Summary?, _ right: Summary?) -> Summary
    /// The subtree is gone.
    static func discard(_ summary: Summary)
}

extension TreeValue {
    static func discard(_ summary: Summary) {}
}

/// Values in an order, in a balanced binary tree whose nodes never change: an operation makes a
/// logarithmic number of new nodes and shares all others with the tree it began with, which stays as
/// it was. Any thread may read a tree, and release it.
///
/// The heights of two siblings differ by at most 2. Everything is made of ``init(_:_:_:)``, which joins
/// two trees, and ``split(_:)`` (G. Blelloch, D. Ferizovic, Y. Sun, "Just Join for Parallel Ordered
/// Sets", 2016); the balancing is that of OCaml's Map.
struct PersistentTree<Value: TreeValue> {
    final class Node {
        let value: Value
        let left: Node?
        let right: Node?
        let height: Int
        let summary: Value.Summary

        fileprivate init(_ left: Node?, _ value: Value, _ right: Node?) {
            self.value = value
            self.left = left
            self.right = right
            height = 1 + Swift.max(left?.height ?? 0, right?.height ?? 0)
            summary = value.summary(left?.summary, right?.summary)
        }

        deinit { Value.discard(summary) }
    }

    /// Where a value is, seen from a place in the order.
    enum Side { case before, here, after }

    private(set) var root: Node?

    /// An empty tree.
    init() {}

    private init(_ root: Node?) { self.root = root }

    /// The values of `left`, then `value`, then those of `right`.
    init(_ left: Self, _ value: Value, _ right: Self) {
        root = Self.join(left.root, value, right.root)
    }

    var first: Value? { root.map(Self.first) }

    var last: Value? {
        var node = root
        while let right = node?.right { node = right }
        return node?.value
    }

    mutating func append(_ value: Value) { root = Self.join(root, value, nil) }

    mutating func removeFirst() { root = root.flatMap(Self.withoutFirst) }

    mutating func removeLast() { root = root.flatMap(Self.withoutLast) }

    /// Adds all values of `other` behind its own.
    mutating func append(_ other: Self) {
        guard let first = other.first else { return }
        root = Self.join(root, first, other.root.flatMap(Self.withoutFirst))
    }

    /// A value at a place.
    func find(_ side: (Value) -> Side) -> Value? {
        var node = root
        while let here = node {
            switch side(here.value) {
            case .before: node = here.right
            case .here: return here.value
            case .after: node = here.left
            }
        }
        return nil
    }

    /// Adds `value` at a place where there is none.
    mutating func insert(_ value: Value, _ side: (Value) -> Side) {
        root = Self.inserting(value, root, side)
    }

    /// Removes the only value at a place.
    mutating func remove(_ side: (Value) -> Side) { root = Self.removing(root, side) }

    /// Divides it in two: in front the values for which `isBefore` holds, which are the first ones.
    func split(_ isBefore: (Value) -> Bool) -> (before: Self, after: Self) {
        let (before, after) = Self.split(root, isBefore)
        return (Self(before), Self(after))
    }

    // MARK: Nodes

    private static func split(
        _ node: Node?, _ isBefore: (Value) -> Bool
    ) -> (before: Node?, after: Node?) {
        guard let node else { return (nil, nil) }
        if isBefore(node.value) {
            let (before, after) = split(node.right, isBefore)
            return (join(node.left, node.value, before), after)
        }
        let (before, after) = split(node.left, isBefore)
        return (before, join(after, node.value, node.right))
    }

    private static func inserting(
        _ value: Value, _ node: Node?, _ side: (Value) -> Side
    ) -> Node {
        guard let node else { return Node(nil, value, nil) }
        return side(node.value) == .before
            ? balanced(node.left, node.value, inserting(value, node.right, side))
            : balanced(inserting(value, node.left, side), node.value, node.right)
    }

    private static func removing(_ node: Node?, _ side: (Value) -> Side) -> Node? {
        guard let node else { return nil }
        switch side(node.value) {
        case .before: return balanced(node.left, node.value, removing(node.right, side))
        case .after: return balanced(removing(node.left, side), node.value, node.right)
        case .here:
            guard let right = node.right else { return node.left }
            return balanced(node.left, first(right), withoutFirst(right))
        }
    }

    private static func first(_ node: Node) -> Value {
        var node = node
        while let left = node.left { node = left }
        return node.value
    }

    private static func join(_ left: Node?, _ value: Value, _ right: Node?) -> Node {
        if let left, left.height > height(right) + 2 {
            return balanced(left.left, left.value, join(left.right, value, right))
        }
        if let right, right.height > height(left) + 2 {
            return balanced(join(left, value, right.left), right.value, right.right)
        }
        return Node(left, value, right)
    }

    /// For heights that differ by at most 3.
    private static func balanced(_ left: Node?, _ value: Value, _ right: Node?) -> Node {
        if let left, left.height > height(right) + 2 {
            guard let inner = left.right, inner.height > height(left.left) else {
                return Node(left.left, left.value, Node(left.right, value, right))
            }
            return Node(
                Node(left.left, left.value, inner.left), inner.value,
                Node(inner.right, value, right))
        }
        if let right, right.height > height(left) + 2 {
            guard let inner = right.left, inner.height > height(right.right) else {
                return Node(Node(left, value, right.left), right.value, right.right)
            }
            return Node(
                Node(left, value, inner.left), inner.value,
                Node(inner.right, right.value, right.right))
        }
        return Node(left, value, right)
    }

    private static func withoutFirst(_ node: Node) -> Node? {
        guard let left = node.left else { return node.right }
        return balanced(withoutFirst(left), node.value, node.right)
    }

    private static func withoutLast(_ node: Node) -> Node? {
        guard let right = node.right else { return node.left }
        return balanced(node.left, node.value, withoutLast(right))
    }

    private static func height(_ node: Node?) -> Int { node?.height ?? 0 }
}
