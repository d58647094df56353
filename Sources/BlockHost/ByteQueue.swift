import Glibc

/// Bytes that come in at one end and go out at the other. It keeps its room.
struct ByteQueue: ~Copyable {
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0

    init(capacity: Int = 4096) {
        self.capacity = capacity
        storage = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { storage.deallocate() }

    var count: Int { end &- start }
    var isEmpty: Bool { start == end }

    /// Good until something is added.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage + start, count: count)
    }

    /// Room for `count` more bytes: what is put there counts with ``add(_:)``.
    mutating func room(for count: Int) -> UnsafeMutableRawPointer {
        if capacity &- end < count { makeRoom(for: count) }
        return storage + end
    }

    /// Adds what has been put into the room.
    mutating func add(_ count: Int) {
        precondition(count >= 0 && count <= capacity &- end, "more than there is room for")
        end &+= count
    }

    /// Takes away `count` bytes, which stay where they are until something is added.
    mutating func removeFirst(_ count: Int) {
        precondition(count >= 0 && count <= self.count, "more than there is")
        start &+= count
        if start == end { removeAll() }
    }

    mutating func removeAll() {
        start = 0
        end = 0
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

// Text.
extension ByteQueue {
    mutating func append(_ byte: UInt8) {
        room(for: 1).storeBytes(of: byte, as: UInt8.self)
        add(1)
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        room(for: bytes.count).copyMemory(from: base, byteCount: bytes.count)
        add(bytes.count)
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// 0x, then at least so many digits.
    mutating func append(hexadecimal value: UInt64, digits: Int) {
        let needed = (64 - value.leadingZeroBitCount + 3) / 4
        append("0x")
        var shift = 4 * Swift.max(digits, needed)
        while shift > 0 {
            shift -= 4
            append(DataText.digit(UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 15))
        }
    }
}
