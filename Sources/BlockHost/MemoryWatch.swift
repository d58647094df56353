import CBlockHost

/// What is known of memory that other processes can take away: from which byte on it is lost, for good.
@usableFromInline package struct MemoryWatch: @unchecked Sendable {
    @usableFromInline let watch: OpaquePointer

    /// Installs a handler of SIGBUS that looks after watched memory, once in a process. A copy by
    /// ``VolatileMemory`` that meets a page which has gone ends there; any other access finds a page of
    /// zeroes in its place. Every other SIGBUS goes to the handler that was there before.
    package static func catchTruncation() throws(SystemCallError) {
        try SystemCallError.check(cblockhost_catch_truncation(), "sigaction(2)")
    }

    /// Watches whole pages; `nil` when too much is watched already.
    package init?(_ pages: UnsafeMutableRawBufferPointer) {
        guard let base = pages.baseAddress, let watch = cblockhost_watch(base, pages.count) else {
            return nil
        }
        self.watch = watch
    }

    /// Whether any memory at all is lost: otherwise nothing has to be asked for.
    @inlinable package static var isAnyLost: Bool { cblockhost_is_any_lost() }

    /// How many of the `count` bytes from `start` on are before what is lost.
    @inlinable package func intact(_ start: UnsafeRawPointer, _ count: Int) -> Int {
        cblockhost_intact(watch, start, count)
    }

    /// Stops watching, before the memory is unmapped.
    package func stop() { cblockhost_unwatch(watch) }
}
