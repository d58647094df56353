import BlockIO

/// Enumerates all sequences of decisions of a program that runs again and again: depth first, by
/// replaying the decisions up to the last one that has an untried alternative.
package final class Decisions {
    private struct Decision {
        var taken: Int
        let count: Int
    }

    private var trail: [Decision] = []
    private var position = 0
    /// Decisions made in all runs.
    package private(set) var total = 0

    package init() { trail.reserveCapacity(64) }

    /// Begins a run with the same decisions as another.
    package init(replaying choices: [Int]) {
        trail = choices.map { Decision(taken: $0, count: .max) }
    }

    /// What has been decided in this run.
    package var choices: [Int] { trail[..<position].map(\.taken) }

    /// Decides between `count` alternatives.
    package func pick(_ count: Int) -> Int {
        if count == 1 { return 0 }
        total += 1
        if position == trail.count { trail.append(Decision(taken: 0, count: count)) }
        position += 1
        return min(trail[position - 1].taken, count - 1)
    }

    /// Goes on to the next sequence; false when there is none left.
    package func advance() -> Bool {
        trail.removeLast(trail.count - position)
        position = 0
        while let last = trail.popLast() {
            if last.taken + 1 < last.count {
                trail.append(Decision(taken: last.taken + 1, count: last.count))
                return true
            }
        }
        return false
    }

    /// Forgets everything: the next run is the first of another program.
    package func restart() {
        trail.removeAll(keepingCapacity: true)
        position = 0
    }
}
