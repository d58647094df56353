import CBlockHost

/// Whether the calling thread has slept between two moments, which tells a call that slept from one during
/// which the thread was preempted: the kernel counts voluntary context switches, getrusage(2).
///
/// A value belongs to one thread.
package struct ThreadSleeps {
    private var count: Int?

    package init() {}

    /// The thread has slept, or may have: what it did before says nothing of its next call.
    package mutating func forget() { count = nil }

    /// Makes the count known, if it was forgotten. A system call only then.
    package mutating func prepare() {
        if count == nil { count = Self.voluntarySwitches }
    }

    /// Whether the thread has slept since ``prepare()``, or since the last call of this. True if the count was
    /// not known.
    package mutating func hasSlept() -> Bool {
        let before = count
        let now = Self.voluntarySwitches
        count = now
        return before != now
    }

    private static var voluntarySwitches: Int { cblockhost_voluntary_switches() }
}
