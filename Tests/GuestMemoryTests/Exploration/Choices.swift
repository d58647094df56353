/// Enumerates every sequence of choices, by running the same thing again and again: a run asks for a
/// number wherever there is a choice, and has another answer to one of its questions each time.
struct Choices {
    private var path: [(choice: Int, count: Int)] = []
    private var position = 0

    /// A number below `count`.
    mutating func choose(_ count: Int) -> Int {
        if position == path.count { path.append((0, count)) }
        precondition(path[position].count == count, "a run is not like the one before")
        defer { position += 1 }
        return path[position].choice
    }

    /// Prepares for the next run; false after the last.
    mutating func advance() -> Bool {
        position = 0
        while let last = path.last {
            if last.choice + 1 < last.count {
                path[path.count - 1].choice += 1
                return true
            }
            path.removeLast()
        }
        return false
    }
}
