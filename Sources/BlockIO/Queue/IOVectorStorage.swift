import Glibc

/// Memory for a list of buffers that the queue makes itself.
///
/// Safe, because an element is written only inside the memory, and read only when it has been written. The
/// owner of the memory frees it together with whatever the list was made for.
@safe struct IOVectorStorage {
    private let memory: UnsafeMutablePointer<iovec>
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        unsafe memory = .allocate(capacity: capacity)
    }

    /// Neither the storage nor a list of it may be used any more.
    @unsafe
    func deallocate() { unsafe memory.deallocate() }

    func set(_ index: Int, to vector: IOVector) {
        precondition(index >= 0 && index < capacity, "an element that there is no memory for")
        unsafe (memory + index).initialize(to: vector.vector)
    }

    /// The first elements, which have been set.
    func list(_ count: Int) -> IOVectorList {
        precondition(count <= capacity, "a list that there is no memory for")
        return unsafe IOVectorList(UnsafePointer(memory), count: count)
    }
}
