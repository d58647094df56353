public import Glibc

/// The buffers of a request, as the kernel takes them: an array of iovec(3type) and its length.
///
/// Safe, because an element is read only inside the list. Whoever makes one from a pointer promises that the
/// array and the memory it names stay until the request has completed, as the methods of ``BlockQueue`` ask of
/// their callers.
///
/// The fast path, which is inlined into callers, uses it.
@safe @usableFromInline
package struct IOVectorList {
    /// What the kernel is given.
    @usableFromInline package let base: UnsafePointer<iovec>?
    /// The number of elements.
    @usableFromInline package let count: Int

    /// A list without elements.
    package init() {
        unsafe base = nil
        count = 0
    }

    /// The array and the memory that it names must stay until the request has completed.
    @unsafe
    @inline(__always)
    @inlinable
    package init(_ base: UnsafePointer<iovec>?, count: Int) {
        unsafe self.base = base
        self.count = count
    }

    @unsafe
    @inline(__always)
    @inlinable
    init(_ buffer: UnsafeBufferPointer<iovec>) {
        unsafe self.init(buffer.baseAddress, count: buffer.count)
    }

    /// Some of its elements, as a list of their own.
    func part(_ range: Range<Int>) -> IOVectorList {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= count, "a part of a list ends in the list")
        return unsafe IOVectorList(base.map { unsafe $0 + range.lowerBound }, count: range.count)
    }

    /// The element at an index below `count`.
    package subscript(index: Int) -> IOVector {
        guard let base = unsafe base, index >= 0 && index < count else {
            preconditionFailure("an element that is not in the list")
        }
        return unsafe IOVector(base[index])
    }
}

// Not a collection, whose iterator would allocate for each element in a debug build.
extension IOVectorList: Sequence {
    @usableFromInline
    package struct Iterator: IteratorProtocol {
        let list: IOVectorList
        var index = 0

        @usableFromInline
        package mutating func next() -> IOVector? {
            if index == list.count { return nil }
            defer { index += 1 }
            return list[index]
        }
    }

    @usableFromInline
    package func makeIterator() -> Iterator { Iterator(list: self) }
}
