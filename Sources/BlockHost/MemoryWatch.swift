public import CBlockHost

// @usableFromInline: inlinable code of other targets asks `intact` and `isAnyLost`.
// @safe: the C module keeps all watches for good, and looks at addresses as numbers.
/// A watch over memory that other processes can take away. It knows from which byte on the memory
/// is lost; lost memory stays lost.
///
/// `@unchecked`: the C module changes the watch that the pointer leads to with atomic operations
/// only.
@safe @usableFromInline package struct MemoryWatch: @unchecked Sendable {
    @usableFromInline let watch: OpaquePointer

    /// Installs a handler of SIGBUS for watched memory, once in a process. A copy by
    /// ``VolatileMemory`` stops at a page that is lost. Any other access to a lost page finds a
    /// page of zeroes in its place. A SIGBUS for other memory goes to the handler that was
    /// installed before.
    package static func catchTruncation() throws(SystemCallError) {
        try SystemCallError.check(cblockhost_catch_truncation(), "sigaction(2)")
    }

    /// Begins to watch whole pages; `nil` when 4096 mappings are watched already.
    package init?(_ pages: UnsafeMutableRawBufferPointer) {
        guard let base = pages.baseAddress, let watch = unsafe cblockhost_watch(base, pages.count)
        else {
            return nil
        }
        unsafe self.watch = unsafe watch
    }

    /// Whether any watched memory is lost. While it is false, ``intact(_:_:)`` need not be asked.
    @inlinable package static var isAnyLost: Bool { cblockhost_is_any_lost() }

    /// How many of the `count` bytes from `start` on come before the first lost byte.
    @inlinable package func intact(_ start: UnsafeRawPointer, _ count: Int) -> Int {
        unsafe cblockhost_intact(watch, start, count)
    }

    /// Stops watching, before the memory is unmapped.
    package func stop() { unsafe cblockhost_unwatch(watch) }
}
