import Glibc

// @safe: it checks counts against what it has and has room for; whoever follows an address that
// it returns says so.
/// A first-in, first-out queue of bytes. It keeps its memory unless ``removeAll(keepingAtMost:)``
/// is called.
@safe package struct ByteQueue: ~Copyable {
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0

    /// An empty queue with room for `capacity` bytes, which grows.
    package init(capacity: Int = 4096) {
        self.capacity = capacity
        unsafe storage = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { unsafe storage.deallocate() }

    /// How many bytes there are.
    package var count: Int { end &- start }
    package var isEmpty: Bool { start == end }

    /// All bytes. Valid until bytes are added.
    package var bytes: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: storage + start, count: count)
    }

    /// Space for `count` more bytes at the end. What is written there becomes part of the queue
    /// with ``add(_:)``.
    package mutating func room(for count: Int) -> UnsafeMutableRawPointer {
        if capacity &- end < count { makeRoom(for: count) }
        return unsafe storage + end
    }

    /// Adds the first `count` bytes of the space that ``room(for:)`` returned.
    package mutating func add(_ count: Int) {
        precondition(count >= 0 && count <= capacity &- end, "more than there is room for")
        end &+= count
    }

    /// Removes the first `count` bytes. They stay valid in memory until bytes are added.
    package mutating func removeFirst(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "more than there is")
        start &+= count
        if start == end { removeAll() }
    }

    /// Removes all bytes.
    package mutating func removeAll() {
        start = 0
        end = 0
    }

    /// Removes all bytes, and keeps no more memory than `limit` bytes.
    package mutating func removeAll(keepingAtMost limit: Int) {
        removeAll()
        guard capacity > limit else { return }
        unsafe storage.deallocate()
        capacity = limit
        unsafe storage = .allocate(byteCount: limit, alignment: 16)
    }

    /// Overwrites the bytes that begin `offset` bytes behind the first one.
    package mutating func replace(at offset: Int, with bytes: UnsafeRawBufferPointer) {
        precondition(
            offset >= 0 && bytes.count <= count &- offset, "more than there is to be replaced")
        guard let base = bytes.baseAddress else { return }
        unsafe (storage + start + offset).copyMemory(from: base, byteCount: bytes.count)
    }

    @inline(never)
    private mutating func makeRoom(for count: Int) {
        let needed = self.count + count
        if needed <= capacity / 2 {
            unsafe memmove(storage, storage + start, self.count)
        } else {
            let larger = Swift.max(needed, capacity * 2)
            let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
            unsafe moved.copyMemory(from: storage + start, byteCount: self.count)
            unsafe storage.deallocate()
            unsafe storage = unsafe moved
            capacity = larger
        }
        end = self.count
        start = 0
    }
}

extension ByteQueue {
    /// Adds at the end.
    package mutating func append(_ byte: UInt8) {
        unsafe room(for: 1).storeBytes(of: byte, as: UInt8.self)
        add(1)
    }

    /// Adds at the end.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        unsafe room(for: bytes.count).copyMemory(from: base, byteCount: bytes.count)
        add(bytes.count)
    }

    /// Adds UTF-8 at the end.
    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { unsafe append(UnsafeRawBufferPointer($0)) }
    }
}
