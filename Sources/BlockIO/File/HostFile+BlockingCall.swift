import CBlockIO

extension HostFile {
    /// Makes the blocking system call for what a request asks its engine. Returns the bytes moved, or -errno.
    func makeBlockingCall(for request: RequestPointer) -> Int64 {
        let submission = request.pointee.submission
        switch submission.kind {
        case .read:
            return unsafe cbio_preadv(
                descriptor, submission.list.base, UInt32(submission.list.count), submission.position
            )
        case .write:
            return unsafe cbio_pwritev(
                descriptor, submission.list.base, UInt32(submission.list.count),
                submission.position,
                submission.isDurable)
        case .synchronize, .synchronizeBoth: return synchronize()
        case .bufferedWrite:
            let buffered = bufferedDescriptor()
            guard buffered >= 0 else { return Int64(buffered) }
            return unsafe cbio_pwritev(
                buffered, submission.list.base, UInt32(submission.list.count), submission.position,
                submission.isDurable)
        case .punchHole: return cbio_punch_hole(descriptor, submission.position, submission.length)
        case .zeroRange: return cbio_zero_range(descriptor, submission.position, submission.length)
        case .deviceDiscard:
            return cbio_device_discard(descriptor, submission.position, submission.length)
        case .deviceZero:
            return cbio_device_zero(descriptor, submission.position, submission.length)
        case .truncate: return cbio_truncate(descriptor, submission.position)
        }
    }
}
