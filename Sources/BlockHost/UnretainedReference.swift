/// An object that something else keeps alive, without a reference count.
///
/// To make one is unsafe, and the place where that is done says what keeps the object alive. From
/// there on it is `@safe`: whoever has one drops it before the object can go.
@safe @usableFromInline package struct UnretainedReference<Object: AnyObject>: Equatable {
    @usableFromInline let reference: Unmanaged<Object>

    /// Names `object`.
    @unsafe @inlinable package init(_ object: Object) {
        unsafe reference = unsafe .passUnretained(object)
    }

    /// Names the object of `reference`.
    @unsafe @inlinable package init(_ reference: Unmanaged<Object>) {
        unsafe self.reference = unsafe reference
    }

    /// The object, which is kept alive as long as the result is used.
    @inlinable package var object: Object { unsafe reference.takeUnretainedValue() }

    /// Calls `body` with the object, and counts no references for that.
    @inlinable
    @inline(__always)
    package func with<Result>(_ body: (Object) -> Result) -> Result {
        unsafe reference._withUnsafeGuaranteedRef { body($0) }
    }

    /// Whether both are the same object.
    @inlinable
    @inline(__always)
    package static func == (one: Self, other: Self) -> Bool {
        unsafe one.reference.toOpaque() == other.reference.toOpaque()
    }
}
