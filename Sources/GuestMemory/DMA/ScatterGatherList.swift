// @safe: it grows before an element is added, and frees its memory with itself.
/// Guest memory that a device transfers to or from: (address, length) pairs in the order of the
/// data.
///
/// A device keeps one list and fills it again for each transfer. The list keeps the memory of the
/// longest list that it has held. The list is not checked: an error in it is the result of the
/// transfer.
@safe public struct ScatterGatherList: ~Copyable {
    /// One stretch of guest addresses.
    public struct Element: Sendable, Hashable {
        /// The first byte, as the device addresses memory.
        public var address: GuestAddress
        /// The number of bytes.
        public var length: UInt64

        /// A stretch of `length` bytes from `address` on.
        @inlinable public init(address: GuestAddress, length: UInt64) {
            self.address = address
            self.length = length
        }
    }

    // @usableFromInline, for the inlinable `append(atMost:_:)`: a device fills its list with it.
    @usableFromInline var storage: UnsafeMutablePointer<Element>
    @usableFromInline var capacity: Int
    @usableFromInline var filled = 0

    /// An empty list with room for `capacity` elements.
    public init(capacity: Int = 64) {
        self.capacity = Swift.max(capacity, 1)
        unsafe storage = .allocate(capacity: self.capacity)
    }

    deinit { unsafe storage.deallocate() }

    /// How many elements there are.
    public var count: Int { filled }

    /// The element at `index`, which must be below ``count``.
    public subscript(index: Int) -> Element {
        precondition(index >= 0 && index < filled, "index \(index) of a list of \(filled)")
        return unsafe storage[index]
    }

    /// Adds an element at the end.
    public mutating func append(address: GuestAddress, length: UInt64) {
        if filled == capacity { grow() }
        unsafe storage[filled] = Element(address: address, length: length)
        filled &+= 1
    }

    /// Adds up to `limit` elements at the end: `body` is given the place of the first one, writes
    /// elements there, and returns their number.
    @inlinable
    public mutating func append(
        atMost limit: Int, _ body: (UnsafeMutablePointer<Element>) -> Int
    ) {
        while capacity &- filled < limit { grow() }
        let number = unsafe body(storage + filled)
        precondition(number >= 0 && number <= limit, "more elements than was said")
        filled &+= number
    }

    /// Removes the last `bytes` bytes of the list, or all bytes if there are fewer.
    public mutating func removeLast(bytes: UInt64) {
        var left = bytes
        while left > 0, filled > 0 {
            let length = unsafe storage[filled &- 1].length
            if length > left {
                unsafe storage[filled &- 1].length = length &- left
                return
            }
            left &-= length
            filled &-= 1
        }
    }

    /// Removes all elements, and keeps the memory for new ones.
    public mutating func removeAll() { filled = 0 }

    /// The sum of the lengths; `nil` if it is 2^64 or more.
    public var total: UInt64? {
        var sum: UInt64 = 0
        for index in 0..<filled {
            let (next, overflow) = unsafe sum.addingReportingOverflow(storage[index].length)
            if overflow { return nil }
            sum = next
        }
        return sum
    }

    /// All elements. Valid until the list is changed.
    var elements: UnsafeBufferPointer<Element> {
        unsafe UnsafeBufferPointer(start: storage, count: filled)
    }

    @usableFromInline mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        unsafe larger.moveInitialize(from: storage, count: filled)
        unsafe storage.deallocate()
        unsafe storage = unsafe larger
        capacity *= 2
    }
}
