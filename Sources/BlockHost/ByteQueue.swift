import Glibc

/// Bytes that come in at one end and go out at the other. It keeps its room, unless told not to.
package struct ByteQueue: ~Copyable {
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0

    /// An empty queue with room for `capacity` bytes, which grows.
    package init(capacity: Int = 4096) {
        self.capacity = capacity
        storage = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { storage.deallocate() }

    /// How many bytes there are.
    package var count: Int { end &- start }
    package var isEmpty: Bool { start == end }

    /// Good until something is added.
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage + start, count: count)
    }

    /// Room for `count` more bytes: what is put there counts with ``add(_:)``.
    package mutating func room(for count: Int) -> UnsafeMutableRawPointer {
        if capacity &- end < count { makeRoom(for: count) }
        return storage + end
    }

    /// Adds what has been put into the room.
    package mutating func add(_ count: Int) {
        precondition(count >= 0 && count <= capacity &- end, "more than there is room for")
        end &+= count
    }

    /// Takes away `count` bytes, which stay where they are until something is added.
    package mutating func removeFirst(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "more than there is")
        start &+= count
        if start == end { removeAll() }
    }

    /// Takes away all of them.
    package mutating func removeAll() {
        start = 0
        end = 0
    }

    /// The same, and gives back room beyond `limit` bytes.
    package mutating func removeAll(keepingAtMost limit: Int) {
        removeAll()
        guard capacity > limit else { return }
        storage.deallocate()
        capacity = limit
        storage = .allocate(byteCount: limit, alignment: 16)
    }

    /// Writes over what is `offset` bytes behind the first.
    package mutating func replace(at offset: Int, with bytes: UnsafeRawBufferPointer) {
        precondition(
            offset >= 0 && bytes.count <= count &- offset, "more than there is to be replaced")
        guard let base = bytes.baseAddress else { return }
        (storage + start + offset).copyMemory(from: base, byteCount: bytes.count)
    }

    @inline(never)
    private mutating func makeRoom(for count: Int) {
        let needed = self.count + count
        if needed <= capacity / 2 {
            memmove(storage, storage + start, self.count)
        } else {
            let larger = Swift.max(needed, capacity * 2)
            let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
            moved.copyMemory(from: storage + start, byteCount: self.count)
            storage.deallocate()
            storage = moved
            capacity = larger
        }
        end = self.count
        start = 0
    }
}

extension ByteQueue {
    /// Adds at the end.
    package mutating func append(_ byte: UInt8) {
        room(for: 1).storeBytes(of: byte, as: UInt8.self)
        add(1)
    }

    /// Adds at the end.
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        room(for: bytes.count).copyMemory(from: base, byteCount: bytes.count)
        add(bytes.count)
    }

    /// Adds UTF-8 at the end.
    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }
}
