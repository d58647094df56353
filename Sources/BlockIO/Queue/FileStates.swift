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

    /// Those of the files of an image that an engine of this kind runs.
    init(_ image: BlockImage, _ engine: EngineKind) {
        let files = image.files
        count = files.count + (image.layout == nil ? 0 : 1)
        unsafe base = .allocate(capacity: count)
        for (index, file) in files.enumerated() {
            let state = FileState(file, needsHelpers: !engine.serves(file))
            unsafe (base + index).initialize(to: state)
        }
        if image.layout != nil {
            let guest = FileState(image.activeFile, needsHelpers: false)
            unsafe (base + files.count).initialize(to: guest)
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
