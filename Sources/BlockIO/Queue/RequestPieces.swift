import Glibc

/// Cutting a request into what the kernel takes at a time: 1024 elements (IOV_MAX, sysconf(3)) and
/// 2 GiB less a page (MAX_RW_COUNT, read(2) "NOTES"). Also where a short transfer resumes.
extension RequestPointer {
    private static var maximumElements: Int { 1024 }
    private static var maximumBytes: Int { 0x7fff_f000 }

    /// Sets up what the engine does next: all of a usual request, without a copy of its list.
    func preparePiece(alignment: UInt) {
        pointee.position = pointee.offset &+ pointee.moved
        if pointee.moved == 0 && pointee.callerVectorCount <= Self.maximumElements
            && pointee.length <= UInt64(Self.maximumBytes)
        {
            pointee.vectors = pointee.callerVectors
            pointee.vectorCount = UInt32(truncatingIfNeeded: pointee.callerVectorCount)
            pointee.pieceLength = Int64(truncatingIfNeeded: pointee.length)
        } else {
            copyPiece(byteLimit: Self.maximumBytes & ~Int(alignment - 1))
        }
    }

    /// Copies the elements of the next piece to a list of our own, the first and the last cut.
    private func copyPiece(byteLimit: Int) {
        let caller = pointee.callerVectors.unsafelyUnwrapped
        let available = Swift.min(
            pointee.callerVectorCount - pointee.elementsDone, Self.maximumElements)
        let scratch = pointee.scratch ?? .allocate(capacity: Self.maximumElements)
        pointee.scratch = scratch
        var bytes = 0
        var count = 0
        var skip = pointee.bytesOfElementDone
        while count < available, bytes < byteLimit {
            let element = caller[pointee.elementsDone + count]
            let length = Swift.min(element.iov_len - skip, byteLimit - bytes)
            scratch[count] = iovec(iov_base: element.iov_base + skip, iov_len: length)
            bytes += length
            count += 1
            skip = 0
        }
        pointee.vectors = UnsafePointer(scratch)
        pointee.vectorCount = UInt32(count)
        pointee.pieceLength = Int64(bytes)
    }

    /// Moves the place where the next piece begins.
    func advance(by bytes: Int) {
        let caller = pointee.callerVectors.unsafelyUnwrapped
        var left = bytes + pointee.bytesOfElementDone
        while pointee.elementsDone < pointee.callerVectorCount,
            left >= caller[pointee.elementsDone].iov_len
        {
            left -= caller[pointee.elementsDone].iov_len
            pointee.elementsDone += 1
        }
        pointee.bytesOfElementDone = left
    }

    /// Gives back the list of our own, if there is one.
    func releaseScratch() {
        guard let scratch = pointee.scratch else { return }
        scratch.deallocate()
        pointee.scratch = nil
    }
}
