import GuestMemory

/// The descriptors of one request, copied from the memory of the guest: its header, the memory of
/// its data, and the place of its status (virtio 1.2, 2.7.5, 5.2.6).
///
/// A driver may divide a request into descriptors as it likes (2.7.4): the header can be in several,
/// and data can share a descriptor with it or with the status. What is checked is a copy, which the driver
/// cannot change.
struct RequestChain: ~Copyable {
    /// The bytes that the device reads behind the header.
    private(set) var readable = ScatterGatherList(capacity: 64)
    private(set) var readableBytes: UInt64 = 0
    /// The bytes that the device writes before the status.
    private(set) var writable = ScatterGatherList(capacity: 64)
    private(set) var writableBytes: UInt64 = 0
    /// Where the device writes the status.
    private(set) var status: GuestAddress?
    /// The last descriptor was one that the device writes.
    private var isWriting = false
    private let header = FixedMemory<UInt64>(repeating: 0, count: 2)
    private var headerBytes = 0
    /// A copy of a table of descriptors, or of a descriptor of the ring.
    private let table: FixedMemory<VirtqDescriptor>

    /// The size of the header.
    private static let headerSize = 16

    /// An empty request. `limit` is the most descriptors that there may be.
    init(limit: Int) { table = FixedMemory(repeating: VirtqDescriptor(), count: limit) }

    /// The kind of request: `type` of the header.
    var kind: UInt32 { UInt32(truncatingIfNeeded: UInt64(littleEndian: header[0])) }

    /// The first sector, of 512 bytes.
    var sector: UInt64 { UInt64(littleEndian: header[1]) }

    /// Removes bytes at the end of those that the device writes.
    mutating func shortenWritable(to bytes: UInt64) {
        guard writableBytes > bytes else { return }
        writable.removeLast(bytes: writableBytes &- bytes)
        writableBytes = bytes
    }

    /// Reads the request that begins with descriptor `head` of the ring. Returns the rule that it
    /// breaks, if it does.
    mutating func read(
        _ head: UInt16, of ring: inout SplitRing, _ mapper: DMAMapper, allowsTables: Bool
    ) -> VirtioRingFault? {
        readable.removeAll()
        writable.removeAll()
        (readableBytes, writableBytes, headerBytes) = (0, 0, 0)
        status = nil
        isWriting = false
        var index = Int(head)
        for _ in 0..<ring.size {
            guard index < ring.size else { return .descriptorIndex }
            guard unsafe ring.descriptor(index, into: table.address(of: 0, count: 1)) else {
                return .memory
            }
            let descriptor = table[0]
            if descriptor.isTable {
                guard allowsTables else { return .indirectRefused }
                if descriptor.hasNext { return .nestedTable }
                return readTable(descriptor, &ring, mapper)
            }
            if let fault = add(descriptor, &ring, mapper) { return fault }
            guard descriptor.hasNext else { return close() }
            index = descriptor.next
        }
        return .chainTooLong
    }

    /// Reads the descriptors of a table, which end the request.
    private mutating func readTable(
        _ place: VirtqDescriptor, _ ring: inout SplitRing, _ mapper: DMAMapper
    ) -> VirtioRingFault? {
        let bytes = Int(place.length)
        guard bytes > 0, bytes % VirtqDescriptor.size == 0 else { return .tableSize }
        let count = bytes / VirtqDescriptor.size
        guard count <= table.count else { return .chainTooLong }
        guard
            unsafe copy(
                place.address, to: table.address(of: 0, count: count), bytes, &ring, mapper)
        else { return .tableMemory }
        var index = 0
        for _ in 0..<count {
            guard index < count else { return .descriptorIndex }
            let descriptor = table[index]
            if descriptor.isTable { return .nestedTable }
            if let fault = add(descriptor, &ring, mapper) { return fault }
            guard descriptor.hasNext else { return close() }
            index = descriptor.next
        }
        return .chainTooLong
    }

    /// Adds the bytes of one descriptor. The last byte of the last one is the status.
    @inline(__always)
    private mutating func add(
        _ descriptor: VirtqDescriptor, _ ring: inout SplitRing, _ mapper: DMAMapper
    ) -> VirtioRingFault? {
        var length = descriptor.length
        if length == 0 { return .emptyDescriptor }
        if descriptor.isWritable {
            isWriting = true
            if !descriptor.hasNext {
                length &-= 1
                status = descriptor.address.advanced(by: length)
                if length == 0 { return nil }
            }
            writable.append(address: descriptor.address, length: length)
            writableBytes &+= length
            return nil
        }
        if isWriting { return .readableAfterWritable }
        readableBytes &+= length
        if headerBytes < Self.headerSize { return addHeader(descriptor, &ring, mapper) }
        readable.append(address: descriptor.address, length: length)
        return nil
    }

    /// Adds the bytes of a descriptor with a part of the header.
    private mutating func addHeader(
        _ descriptor: VirtqDescriptor, _ ring: inout SplitRing, _ mapper: DMAMapper
    ) -> VirtioRingFault? {
        let part = min(Self.headerSize - headerBytes, Int(descriptor.length))
        let target = unsafe header.address(of: 0, count: 2) + headerBytes
        guard unsafe copy(descriptor.address, to: target, part, &ring, mapper) else {
            return .header
        }
        headerBytes += part
        if descriptor.length > UInt64(part) {
            readable.append(
                address: descriptor.address &+ UInt64(part),
                length: descriptor.length &- UInt64(part))
        }
        return nil
    }

    /// Checks the whole request.
    @inline(__always)
    private mutating func close() -> VirtioRingFault? {
        if readableBytes &+ writableBytes > 1 << 32 { return .requestTooLarge }
        guard headerBytes == Self.headerSize else { return .header }
        readableBytes &-= UInt64(Self.headerSize)
        return status == nil ? .status : nil
    }

    /// Copies memory of the guest, which is mostly in one piece.
    @inline(__always)
    private func copy(
        _ address: GuestAddress, to target: UnsafeMutableRawPointer, _ count: Int,
        _ ring: inout SplitRing, _ mapper: DMAMapper
    ) -> Bool {
        if unsafe ring.read(at: address, into: target, count: count) { return true }
        return unsafe copyPieces(address, to: target, count, mapper)
    }

    @inline(never)
    private func copyPieces(
        _ address: GuestAddress, to target: UnsafeMutableRawPointer, _ count: Int,
        _ mapper: DMAMapper
    ) -> Bool {
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: target, count: count)
        do throws(GuestMemoryError) {
            unsafe try mapper.read(at: address, into: buffer)
            return true
        } catch {
            return false
        }
    }
}
