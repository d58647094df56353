/// Every region of an address space, also those that others hide, in the order of addresses.
struct RegionIndex {
    private var tree = PersistentTree<Entry>()

    /// What decides which of two regions is seen: the greater one is.
    struct Rank: Comparable {
        let priority: Int
        let sequence: UInt64

        static func < (left: Self, right: Self) -> Bool {
            (left.priority, left.sequence) < (right.priority, right.sequence)
        }
    }

    private struct Entry: TreeValue {
        let mapped: MappedRegion

        struct Summary {
            /// The last address of any region.
            var last: GuestAddress
            /// The greatest rank of any.
            var top: Rank

            mutating func join(_ other: Self) {
                last = max(last, other.last)
                top = max(top, other.top)
            }
        }

        func summary(_ left: Summary?, _ right: Summary?) -> Summary {
            var summary = Summary(last: mapped.last, top: mapped.rank)
            if let left { summary.join(left) }
            if let right { summary.join(right) }
            return summary
        }

        func side(_ other: MappedRegion) -> PersistentTree<Self>.Side {
            if (mapped.base, mapped.sequence) < (other.base, other.sequence) { return .before }
            return mapped.base == other.base && mapped.sequence == other.sequence ? .here : .after
        }
    }

    mutating func insert(_ mapped: MappedRegion) {
        tree.insert(Entry(mapped: mapped)) { $0.side(mapped) }
    }

    /// False when it is not there.
    mutating func remove(_ mapped: MappedRegion) -> Bool {
        guard tree.find({ $0.side(mapped) })?.mapped === mapped else { return false }
        tree.remove { $0.side(mapped) }
        return true
    }

    /// Of the regions that touch `range`, the one of the greatest rank.
    func top(in range: ClosedRange<GuestAddress>) -> MappedRegion? {
        var best: MappedRegion?
        Self.search(tree.root, range, &best)
        return best
    }

    private static func search(
        _ node: PersistentTree<Entry>.Node?, _ range: ClosedRange<GuestAddress>,
        _ best: inout MappedRegion?
    ) {
        // All that could be better lies before the range, or nothing could.
        guard let node, node.summary.last >= range.lowerBound,
            best.map({ $0.rank < node.summary.top }) ?? true
        else { return }
        let mapped = node.value.mapped
        guard mapped.base <= range.upperBound else { return search(node.left, range, &best) }
        if mapped.last >= range.lowerBound, best.map({ $0.rank < mapped.rank }) ?? true {
            best = mapped
        }
        // The better one first: it may make the other one's visit unnecessary.
        let isLeftFirst = isHigher(node.left, node.right)
        search(isLeftFirst ? node.left : node.right, range, &best)
        search(isLeftFirst ? node.right : node.left, range, &best)
    }

    private static func isHigher(
        _ left: PersistentTree<Entry>.Node?, _ right: PersistentTree<Entry>.Node?
    ) -> Bool {
        guard let left else { return false }
        guard let right else { return true }
        return left.summary.top > right.summary.top
    }
}
