// @usableFromInline: inlinable code of other targets reaches its state by way of it.
/// A value in memory of its own: a call changes a part of the value without an access to the whole,
/// and no access is checked at run time. Copies of the pointer name the same value.
///
/// `@safe`, because the memory holds the value from ``init(holding:)`` until ``release()``, and the
/// owner alone releases it, in its `deinit`. That call is the unsafe one: no copy of the pointer may
/// be used afterwards. Callers synchronise themselves as the owner's documentation says.
@safe @usableFromInline package struct StatePointer<Value: ~Copyable> {
    @usableFromInline let address: UnsafeMutablePointer<Value>

    /// Moves `value` into memory of its own.
    @inlinable package init(holding value: consuming Value) {
        unsafe address = .allocate(capacity: 1)
        unsafe address.initialize(to: value)
    }

    /// Names the value at `address`, an element of memory that another owner releases.
    @inlinable package init(_ address: UnsafeMutablePointer<Value>) {
        unsafe self.address = unsafe address
    }

    /// Destroys the value, and frees what ``init(holding:)`` has allocated.
    @unsafe @inlinable package func release() {
        unsafe address.deinitialize(count: 1)
        unsafe address.deallocate()
    }

    /// The value.
    @inlinable package var pointee: Value {
        unsafeAddress { unsafe UnsafePointer(address) }
        nonmutating unsafeMutableAddress { unsafe address }
    }
}
