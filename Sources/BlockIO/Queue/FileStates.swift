public import BlockHost

/// The memory of a queue's file states, whose addresses never change. The fast path, which is inlined into
/// callers, counts in the first of them.
///
/// Safe, because the states are initialized from `init` to `deinit`, which belong to the queue, and nothing
/// outside the queue gets a pointer to one.
@safe @usableFromInline
struct FileStates: ~Copyable {
    @usableFromInline let base: UnsafeMutablePointer<FileState>
    let count: Int

    init(_ states: [FileState]) {
        count = states.count
        unsafe base = .allocate(capacity: count)
        for (index, state) in states.enumerated() {
            unsafe (base + index).initialize(to: state)
        }
    }

    deinit {
        unsafe base.deinitialize(count: count)
        unsafe base.deallocate()
    }

    /// That of the only file, in an image without a format.
    @inline(__always)
    @inlinable
    var first: StablePointer<FileState> { unsafe StablePointer(base) }

    subscript(index: Int) -> StablePointer<FileState> {
        precondition(index < count, "a queue has a state for each file of its image")
        return unsafe StablePointer(base + index)
    }
}
