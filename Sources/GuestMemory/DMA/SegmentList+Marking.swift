// Written pages.
extension SegmentList {
    /// Marks what a device has written directly, up to byte `limit` of the list, nothing of which
    /// bounces.
    func markWritten(limit: UInt64) {
        var others = count
        if described < count, limit == total, isOfPages, let tail, let log = tail.pointee.log,
            let bitmap = DirtyLog.Marker(log).bitmap
        {
            markPages(from: described, tail.pointee.logBase, bitmap)
            others = described
        }
        if others > 0 { markEach(others, limit: limit) }
    }

    /// Marks all from `index` on, which are in the same memory.
    @inline(__always)
    private func markPages(from index: Int, _ base: UInt, _ bitmap: DirtyLog.Bitmap) {
        for vector in UnsafeBufferPointer(start: vectors + index, count: count &- index) {
            let offset = UInt(bitPattern: vector.iov_base) &- base
            bitmap.mark(page: UInt64(truncatingIfNeeded: offset &>> 12))
        }
    }

    /// Marks the first `number`, whatever they are.
    @inline(never)
    private func markEach(_ number: Int, limit: UInt64) {
        var marker: DirtyLog.Marker?
        var left = limit
        for index in 0..<number where left > 0 {
            guard let range = range(at: index), let log = range.pointee.log else { return }
            if marker?.log.toOpaque() != log.toOpaque() { marker = DirtyLog.Marker(log) }
            let length = Swift.min(left, UInt64(truncatingIfNeeded: vectors[index].iov_len))
            let offset = UInt(bitPattern: vectors[index].iov_base) &- range.pointee.logBase
            marker?.mark(offset: Int(bitPattern: offset), length: Int(truncatingIfNeeded: length))
            left &-= length
        }
    }
}

extension FlatRange {
    /// The host address of the first byte that the log is of.
    fileprivate var logBase: UInt { UInt(bitPattern: host) &- UInt(bitPattern: logOffset) }
}

extension SegmentList.Segment {
    /// Marks `length` bytes from byte `offset` on, which a device has written directly. `marker` is
    /// the one before, to be used again.
    @inline(__always)
    func mark(_ length: Int, at offset: Int, _ marker: inout DirtyLog.Marker?) {
        guard let range, let log = range.pointee.log else { return }
        if marker?.log.toOpaque() != log.toOpaque() { marker = DirtyLog.Marker(log) }
        let start = Int(truncatingIfNeeded: address.offset(from: range.pointee.first)) &+ offset
        marker?.mark(offset: range.pointee.logOffset &+ start, length: length)
    }
}
