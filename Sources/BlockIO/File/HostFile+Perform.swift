import CBlockIO

extension HostFile {
    /// Does a request with the blocking system call for it: bytes moved, or -errno.
    func perform(_ request: RequestPointer) -> Int64 {
        let order = request.pointee.engine
        switch order.operation {
        case .read:
            return cbio_preadv(descriptor, order.vectors, order.vectorCount, order.position)
        case .write:
            return cbio_pwritev(
                descriptor, order.vectors, order.vectorCount, order.position, order.isDurable)
        case .synchronize: return cbio_fdatasync(descriptor)
        case .synchronizeBoth:
            // Each descriptor is told of a failed write-back by itself.
            let buffered = cbio_fdatasync(bufferedDescriptor())
            let direct = cbio_fdatasync(descriptor)
            return buffered < 0 ? buffered : direct
        case .bufferedWrite:
            let buffered = bufferedDescriptor()
            guard buffered >= 0 else { return Int64(buffered) }
            return cbio_pwritev(
                buffered, order.vectors, order.vectorCount, order.position, order.isDurable)
        case .punchHole: return cbio_punch_hole(descriptor, order.position, order.length)
        case .zeroRange: return cbio_zero_range(descriptor, order.position, order.length)
        case .deviceDiscard: return cbio_device_discard(descriptor, order.position, order.length)
        case .deviceZero: return cbio_device_zero(descriptor, order.position, order.length)
        case .truncate: return cbio_truncate(descriptor, order.position)
        }
    }
}
