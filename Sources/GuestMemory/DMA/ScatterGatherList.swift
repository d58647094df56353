/// Guest memory that a device transfers to or from: (address, length) pairs in the order of the
/// data.
///
/// A device keeps one and fills it anew for each transfer; it grows to the longest list there was.
/// Nothing is checked here: what is wrong with a list is said by the transfer's result.
public struct ScatterGatherList: ~Copyable {
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

    @usableFromInline var storage: UnsafeMutablePointer<Element>
    @usableFromInline var capacity: Int
    @usableFromInline var filled = 0

    /// An empty list with room for `capacity` elements.
    public init(capacity: Int = 64) {
        self.capacity = Swift.max(capacity, 1)
        storage = .allocate(capacity: self.capacity)
    }

    deinit { storage.deallocate() }

    /// How many elements there are.
    public var count: Int { filled }

    /// The element at `index`, which must be below ``count``.
    public subscript(index: Int) -> Element {
        precondition(index >= 0 && index < filled, "index \(index) of a list of \(filled)")
        return storage[index]
    }

    /// Adds an element at the end.
    public mutating func append(address: GuestAddress, length: UInt64) {
        if filled == capacity { grow() }
        storage[filled] = Element(address: address, length: length)
        filled &+= 1
    }

    /// Adds elements at the end: `body` writes up to `limit` of them to where it is told, and returns
    /// how many.
    @inlinable
    public mutating func append(
        atMost limit: Int, _ body: (UnsafeMutablePointer<Element>) -> Int
    ) {
        while capacity &- filled < limit { grow() }
        let number = body(storage + filled)
        precondition(number >= 0 && number <= limit, "more elements than was said")
        filled &+= number
    }

    /// Takes `bytes` bytes off the end, or all there are.
    public mutating func removeLast(bytes: UInt64) {
        var left = bytes
        while left > 0, filled > 0 {
            let length = storage[filled &- 1].length
            if length > left {
                storage[filled &- 1].length = length &- left
                return
            }
            left &-= length
            filled &-= 1
        }
    }

    /// Forgets all elements and keeps the room.
    public mutating func removeAll() { filled = 0 }

    /// The lengths added up; `nil` when that passes 2^64.
    public var total: UInt64? {
        var sum: UInt64 = 0
        for index in 0..<filled {
            let (next, overflow) = sum.addingReportingOverflow(storage[index].length)
            if overflow { return nil }
            sum = next
        }
        return sum
    }

    /// Good until the list is changed.
    var elements: UnsafeBufferPointer<Element> {
        UnsafeBufferPointer(start: storage, count: filled)
    }

    @usableFromInline mutating func grow() {
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: storage, count: filled)
        storage.deallocate()
        storage = larger
        capacity *= 2
    }
}
