// The state of a drive lies at an address of its own, so that a call changes a part of it without an access
// to the whole.
extension UnsafeMutablePointer where Pointee: ~Copyable {
    /// Memory that holds `value` until ``release()``.
    static func holding(_ value: consuming Pointee) -> Self {
        let pointer = allocate(capacity: 1)
        pointer.initialize(to: value)
        return pointer
    }

    /// Destroys what ``holding(_:)`` has allocated.
    func release() {
        deinitialize(count: 1)
        deallocate()
    }
}
