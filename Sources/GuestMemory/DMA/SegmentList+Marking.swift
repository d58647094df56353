// Written pages.
extension SegmentList {
    /// Marks what a device has written directly, up to byte `limit` of the list, nothing of which
    /// bounces.
    func markWritten(limit: UInt64) {
        var marker: DirtyLog.Marker?
        var left = limit
        var index = 0
        while index < count, left > 0 {
            guard let range = range(at: index), let log = range.pointee.log else { return }
            if marker?.log.toOpaque() != log.toOpaque() { marker = DirtyLog.Marker(log) }
            let base =
                UInt(bitPattern: range.pointee.host) &- UInt(bitPattern: range.pointee.logOffset)
            if index >= described, isOfPages, limit == total, let bitmap = marker?.bitmap {
                return markPages(from: index, base, bitmap)
            }
            let length = Swift.min(left, UInt64(truncatingIfNeeded: vectors[index].iov_len))
            marker?.mark(
                offset: Int(bitPattern: UInt(bitPattern: vectors[index].iov_base) &- base),
                length: Int(truncatingIfNeeded: length))
            left &-= length
            index &+= 1
        }
    }

    /// Marks all from `index` on, which are in the same memory.
    private func markPages(from index: Int, _ base: UInt, _ bitmap: DirtyLog.Bitmap) {
        for vector in UnsafeBufferPointer(start: vectors + index, count: count - index) {
            let offset = UInt(bitPattern: vector.iov_base) &- base
            bitmap.mark(page: UInt64(truncatingIfNeeded: offset &>> 12))
        }
    }
}

extension SegmentList.Segment {
    /// Marks `length` bytes from byte `offset` on, which a device has written directly. `marker` is
    /// the one before, to be used again.
    @inline(__always)
    func mark(_ length: Int, at offset: Int, _ marker: inout DirtyLog.Marker?) {
        guard let range, let log = range.pointee.log else { return }
        if marker?.log.toOpaque() != log.toOpaque() { marker = DirtyLog.Marker(log) }
        let start = Int(truncatingIfNeeded: address &- range.pointee.first) &+ offset
        marker?.mark(offset: range.pointee.logOffset &+ start, length: length)
    }
}
