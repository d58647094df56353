import CBlockHost

/// What is known of memory that other processes can take away: from which byte on it is lost, for good.
/// Safe to share: the C code behind it is, and the memory it watches keeps it.
struct MemoryWatch: @unchecked Sendable {
    private let watch: OpaquePointer

    /// Watches whole pages; `nil` when too much is watched already.
    init?(_ pages: UnsafeMutableRawBufferPointer) {
        guard let base = pages.baseAddress, let watch = cblockhost_watch(base, pages.count) else {
            return nil
        }
        self.watch = watch
    }

    /// Whether any memory at all is lost: otherwise nothing has to be asked for.
    @inline(__always)
    static var isAnyLost: Bool { cblockhost_is_any_lost() }

    /// How many of the `count` bytes from `start` on are before what is lost.
    func intact(_ start: UnsafeRawPointer, _ count: Int) -> Int {
        cblockhost_intact(watch, start, count)
    }

    /// Ends it, before the memory is unmapped.
    func end() { cblockhost_unwatch(watch) }
}
