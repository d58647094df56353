/// The memory of a queue's file states, whose addresses never change. The fast path, which is inlined into
/// callers, counts in the first of them.
@usableFromInline
struct FileStates: ~Copyable {
    @usableFromInline let base: UnsafeMutablePointer<FileState>
    let count: Int

    init(_ states: [FileState]) {
        count = states.count
        base = .allocate(capacity: count)
        for (index, state) in states.enumerated() { (base + index).initialize(to: state) }
    }

    deinit {
        base.deinitialize(count: count)
        base.deallocate()
    }

    subscript(index: Int) -> UnsafeMutablePointer<FileState> { base + index }
}
