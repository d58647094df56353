// @usableFromInline: inlinable code of other targets reaches its state by way of it.
/// A pointer to a value that stays at its address until nobody uses the pointer any more.
///
/// A fast path needs state at addresses that stay: a class costs reference counts and dynamic exclusivity
/// checks, an array cannot be changed in place through a copy of it. An `UnsafeMutablePointer` would mark
/// each line that reads a field as unsafe, and hide the few lines that decide whether it is.
///
/// Safe to use, because all that could be wrong is in what is marked as unsafe here: whoever makes a pointer
/// from an address promises that an initialized value is there, and whoever destroys the value promises that
/// this is the last use of all copies of the pointer. Both say at that place why it is so.
///
/// Two things are the caller's to see, which the compiler does not mark. One thread at a time uses the value, as
/// with the fields of a class. And unlike with those, nothing notices that a value is used while it is being
/// changed: a method that changes it and calls a function of somebody else leaves the value, before the call, in
/// a state in which every use is refused or harmless.
///
@safe @usableFromInline
package struct StablePointer<Pointee: ~Copyable> {
    /// For what needs the address itself, such as a tag that the kernel keeps.
    @usableFromInline package let base: UnsafeMutablePointer<Pointee>

    /// The value at `base` must be initialized, and stay there while the pointer is used.
    @unsafe
    @inline(__always)
    @inlinable
    package init(_ base: UnsafeMutablePointer<Pointee>) { unsafe self.base = base }

    /// Moves a value to memory of its own, which ``destroy()`` frees.
    @inlinable
    package init(allocating value: consuming Pointee) {
        unsafe base = .allocate(capacity: 1)
        unsafe base.initialize(to: value)
    }

    /// Frees a value that has memory of its own. Nobody may use a copy of the pointer any more.
    @unsafe
    @inlinable
    package func destroy() {
        unsafe base.deinitialize(count: 1)
        unsafe base.deallocate()
    }

    /// The value, which is read and changed in place.
    @inline(__always)
    @inlinable
    package var pointee: Pointee {
        unsafeAddress { unsafe UnsafePointer(base) }
        nonmutating unsafeMutableAddress { unsafe base }
    }

    /// The address as a number, which needs no care.
    @inline(__always)
    @inlinable
    package var address: UInt { UInt(bitPattern: unsafe base) }
}

extension StablePointer: Equatable where Pointee: ~Copyable {
    @inline(__always)
    @inlinable
    package static func == (left: Self, right: Self) -> Bool { left.address == right.address }
}

extension StablePointer: Hashable where Pointee: ~Copyable {
    @inlinable
    package func hash(into hasher: inout Hasher) { hasher.combine(address) }
}
