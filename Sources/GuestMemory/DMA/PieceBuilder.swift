import Glibc

// @safe: it has room for a vector for each segment of a list, and frees it with itself.
/// Cuts a mapped list with bounced segments into pieces that need no more bounce buffer than a
/// limit allows, and copies between the buffer and guest memory.
///
/// Bounced neighbours share one iovec. Pieces follow each other and end on multiples of the
/// device's unit, so that neither order nor data depends on where the cuts are.
@safe struct PieceBuilder: ~Copyable {
    private var vectors: UnsafeMutablePointer<iovec>?
    private var capacity = 0

    /// A place in the list: a segment, and how many of its bytes came before.
    private struct Cursor {
        var segment = 0
        var offset = 0
    }
    /// Where the piece begins.
    private var cursor = Cursor()
    private(set) var position: TransferOffset = 0
    /// Where it ends, and how many of its bytes bounce.
    private(set) var end: TransferOffset = 0
    private(set) var bounced = 0

    init() {}

    deinit { unsafe vectors?.deallocate() }

    /// Back to the start of a list.
    mutating func reset() {
        cursor = Cursor()
        position = 0
        end = 0
        bounced = 0
    }

    /// Decides how far the next piece goes. `limit` is a multiple of `unit`.
    mutating func measure(_ list: borrowing SegmentList, unit: UInt64, limit: Int) {
        var reached = position.rawValue
        var left = limit
        var index = cursor.segment
        var offset = cursor.offset
        while index < list.count {
            var length = list.length(of: index) - offset
            if list.bounces(index) {
                if length > left { length = left }
                left -= length
            }
            reached &+= UInt64(length)
            guard offset + length == list.length(of: index) else { break }
            index += 1
            offset = 0
        }
        if reached < list.total { reached -= reached % unit }
        end = TransferOffset(reached)
        var sum = 0
        visit(list) { _, segment, _, _, count in
            if list.bounces(segment) { sum += count }
        }
        bounced = sum
    }

    /// Lays out the piece over `buffer`, which has room for what bounces.
    mutating func build(
        _ list: borrowing SegmentList, over buffer: UnsafeMutableRawPointer?
    ) -> UnsafeBufferPointer<iovec> {
        if capacity < list.count {
            unsafe vectors?.deallocate()
            unsafe vectors = .allocate(capacity: list.capacity)
            capacity = list.capacity
        }
        let target = unsafe vectors.unsafelyUnwrapped
        var used = 0
        var isRun = false
        visit(list) { _, segment, offset, place, count in
            if let base = unsafe list.host(of: segment) {
                unsafe target[used] = unsafe iovec(iov_base: base + offset, iov_len: count)
                used += 1
                isRun = false
            } else if isRun {
                unsafe target[used - 1].iov_len += count
            } else if let buffer = unsafe buffer {
                unsafe target[used] = unsafe iovec(iov_base: buffer + place, iov_len: count)
                used += 1
                isRun = true
            }
        }
        return unsafe UnsafeBufferPointer(start: target, count: used)
    }

    /// Calls `body` with each stretch of the piece: its position in the piece, segment, offset in
    /// that, offset in the bounce buffer, length.
    @inline(__always)
    private func visit<Failure: Error>(
        _ list: borrowing SegmentList,
        _ body: (Int, Int, Int, Int, Int) throws(Failure) -> Void
    ) throws(Failure) {
        var here = cursor
        var done = 0
        var place = 0
        let length = Int(end &- position)
        while done < length {
            let count = Swift.min(
                list.length(of: here.segment) - here.offset, length - done)
            try body(done, here.segment, here.offset, place, count)
            if list.bounces(here.segment) { place += count }
            done += count
            here.segment += 1
            here.offset = 0
        }
    }

    /// Asks for what is in another process.
    func fetch(
        _ list: borrowing SegmentList, to buffer: UnsafeMutableRawPointer, from map: MemoryMap,
        _ answer: RemoteAnswer
    ) {
        visit(list) { _, segment, offset, place, count in
            guard list.bounces(segment) else { return }
            let address = list.segment(segment).address &+ UInt64(offset)
            guard let found = map.remote(at: address), let memory = found.region.remote
            else { return }
            unsafe answer.request(
                .toDevice, memory, offset: address.offset(from: found.base), buffer + place,
                count: count)
        }
    }

    /// Fills the bounce buffer from guest memory; what is in another process has come already.
    func copyIn(
        _ list: borrowing SegmentList, to buffer: UnsafeMutableRawPointer, from map: MemoryMap,
        through resolvers: [any AddressResolver]
    ) throws(GuestMemoryError) {
        try visit(list) { (_, segment, offset, place, count) throws(GuestMemoryError) in
            guard list.bounces(segment) else { return }
            let entry = list.segment(segment)
            let address = entry.address &+ UInt64(offset)
            do throws(GuestMemoryError) {
                if map.remote(at: address) == nil {
                    unsafe try map.read(
                        at: address,
                        into: UnsafeMutableRawBufferPointer(start: buffer + place, count: count))
                }
            } catch {
                throw entry.fault(error)
            }
        }
        // From memory to the device: the step nearest to memory first.
        visitAnswers(list, limit: .max) { transforms, place, count in
            for index in resolvers.indices.reversed() where transforms & 1 << index != 0 {
                unsafe resolvers[index].transform(
                    UnsafeMutableRawBufferPointer(start: buffer + place, count: count),
                    direction: .toDevice)
            }
        }
    }

    /// Calls `body` with what resolvers change of the first `limit` bytes of the piece, each of
    /// their answers as a whole wherever regions end in it: which resolvers, where in the bounce
    /// buffer, how many bytes.
    private func visitAnswers(
        _ list: borrowing SegmentList, limit: UInt64, _ body: (UInt8, Int, Int) -> Void
    ) {
        var transforms: UInt8 = 0
        var start = 0
        var length = 0
        visit(list) { done, segment, _, place, count in
            guard list.bounces(segment), UInt64(done) < limit else { return }
            let entry = list.segment(segment)
            if !entry.isContinued || length == 0 {
                if transforms != 0 { body(transforms, start, length) }
                transforms = entry.transforms
                start = place
                length = 0
            }
            length += Swift.min(count, Int(clamping: limit - UInt64(done)))
        }
        if transforms != 0 { body(transforms, start, length) }
    }

    /// Brings the first `limit` bytes of the piece to guest memory: those that bounced are copied;
    /// of the others, the first `written` bytes of the piece are marked. Goes on after an error,
    /// since all that was written must be marked, and returns the first. Another process is asked
    /// for its part.
    func copyOut(
        _ list: borrowing SegmentList, from buffer: UnsafeMutableRawPointer?, to map: MemoryMap,
        through resolvers: [any AddressResolver], limit: UInt64, written: UInt64,
        _ answer: RemoteAnswer
    ) -> GuestMemoryError? {
        if let buffer = unsafe buffer {
            visitAnswers(list, limit: limit) { transforms, place, count in
                for index in resolvers.indices where transforms & 1 << index != 0 {
                    unsafe resolvers[index].transform(
                        UnsafeMutableRawBufferPointer(start: buffer + place, count: count),
                        direction: .fromDevice)
                }
            }
        }
        var failure: GuestMemoryError?
        var marker: DirtyLog.Marker?
        visit(list) { done, segment, offset, place, count in
            let entry = list.segment(segment)
            if !list.bounces(segment) {
                let reached = Swift.min(written, UInt64(done + count))
                if reached > UInt64(done) {
                    entry.mark(Int(reached) - done, at: offset, &marker)
                }
                return
            }
            guard failure == nil, UInt64(done) < limit, let buffer = unsafe buffer else { return }
            let count = Swift.min(count, Int(clamping: limit - UInt64(done)))
            let address = entry.address &+ UInt64(offset)
            if let found = map.remote(at: address), let memory = found.region.remote {
                if found.region.isWritable {
                    unsafe answer.request(
                        .fromDevice, memory, offset: address.offset(from: found.base),
                        buffer + place, count: count)
                }
                return
            }
            do throws(GuestMemoryError) {
                unsafe try map.write(
                    at: address,
                    from: UnsafeRawBufferPointer(start: buffer + place, count: count))
            } catch {
                failure = entry.fault(error)
            }
        }
        return failure
    }

    /// Moves on to what comes after the piece.
    mutating func advance(_ list: borrowing SegmentList) {
        var left = Int(end &- position)
        while left > 0 {
            let rest = list.length(of: cursor.segment) - cursor.offset
            if left < rest {
                cursor.offset += left
                break
            }
            left -= rest
            cursor = Cursor(segment: cursor.segment + 1)
        }
        position = end
    }
}

extension SegmentList.Segment {
    /// An error at an address of memory, at the address that the device used for it.
    fileprivate func fault(_ error: GuestMemoryError) -> GuestMemoryError {
        GuestMemoryError(
            error.code, at: deviceAddress &+ error.address.offset(from: address), errno: error.errno
        )
    }

    /// Marks `length` bytes from byte `offset` on, which a device has written directly. `marker` is
    /// the one before, to be used again.
    @inline(__always)
    fileprivate func mark(_ length: Int, at offset: Int, _ marker: inout DirtyLog.Marker?) {
        guard let range, let log = range.pointee.log else { return }
        if marker?.log != log { marker = DirtyLog.Marker(log) }
        let start =
            Int(truncatingIfNeeded: address.offset(from: range.pointee.first)) &+ offset
        marker?.mark(offset: range.pointee.logOffset &+ start, length: length)
    }
}
