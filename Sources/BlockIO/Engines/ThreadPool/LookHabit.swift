/// Whether it was worthwhile lately to look for news a few times before a sleep.
///
/// Each failure doubles the number of sleeps without a look that follow it, up to 63; a success ends that.
struct LookHabit {
    /// Reads of the word that announces news: about 3 us.
    static let rounds = 64

    private var pause = 0
    private var skipped = 0

    /// Asks before each sleep.
    mutating func shouldLook() -> Bool {
        if skipped >= pause { return true }
        skipped += 1
        return false
    }

    /// There was news, or none.
    mutating func note(_ hadNews: Bool) {
        skipped = 0
        pause = hadNews ? 0 : min(63, pause * 2 + 1)
    }
}
