import CBlockIO
import Glibc

// The short way: an aligned list inside the image on its way to `poll`. Everything else is somebody
// else's; for one buffer in a batch, what is here is compiled into the caller.
extension QueueCore {
    /// Starts a read or a write whose completion goes to `poll`.
    @inline(__always)
    @inlinable
    mutating func startTransfer(
        _ verb: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        userData: UInt
    ) -> RequestID {
        guard batchClock != 0, isUsual(verb, vectors, at: offset), let request = free.take() else {
            return startFirst(verb, vectors, at: offset, userData: userData)
        }
        let length = UInt64(vectors.baseAddress.unsafelyUnwrapped.pointee.iov_len)
        return startUsual(request, verb, vectors, length, at: offset, userData: userData)
    }

    /// The same for the first request of a batch, for one outside a batch, for a longer list and for
    /// an unusual one.
    @inline(never)
    @usableFromInline
    mutating func startFirst(
        _ verb: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64,
        userData: UInt
    ) -> RequestID {
        makeRoom()
        readBatchClock()
        let length = usualLength(verb, vectors, at: offset)
        guard length > 0, let request = free.take() else {
            return start(
                Call(
                    verb: verb, vectors: vectors.baseAddress, count: vectors.count,
                    offset: offset, userData: userData))
        }
        let id = startUsual(request, verb, vectors, length, at: offset, userData: userData)
        submitUnlessPlugged()
        return id
    }

    /// Whether `check` would find nothing to do but to hand the list to the engine.
    @inline(__always)
    @inlinable
    func isUsual(
        _ verb: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64
    ) -> Bool {
        guard vectors.count == 1, let vector = vectors.baseAddress, !isClosing,
            verb == .read || acceptsUsualWrites
        else { return false }
        let length = UInt(bitPattern: vector.pointee.iov_len)
        let offending =
            (length | UInt(offset)) & offsetMask
            | UInt(bitPattern: vector.pointee.iov_base) & memoryMask
        // The difference wraps for an empty one.
        return offending == 0 && length &- 1 < UInt(PieceTransfer.maximumBytes) && offset <= size
            && UInt64(length) <= size &- offset
    }

    /// The same for a list of any number; its length, or 0 if there is more to do.
    @inline(__always)
    private func usualLength(
        _ verb: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>, at offset: UInt64
    ) -> UInt64 {
        if vectors.count == 1 {
            guard isUsual(verb, vectors, at: offset) else { return 0 }
            return UInt64(vectors[0].iov_len)
        }
        guard vectors.count <= PieceTransfer.maximumElements, !isClosing,
            verb == .read || acceptsUsualWrites
        else { return 0 }
        let sum = VectorSum(vectors)
        let offending =
            (sum.lengthBits | UInt(offset)) & offsetMask | sum.addressBits & memoryMask
        let fits =
            offending == 0 && !sum.mayOverflow && sum.total <= PieceTransfer.maximumBytes
            && offset <= size && UInt64(sum.total) <= size &- offset
        return fits ? UInt64(sum.total) : 0
    }

    @inline(__always)
    @inlinable
    mutating func startUsual(
        _ request: RequestPointer, _ verb: BlockOperation, _ vectors: UnsafeBufferPointer<iovec>,
        _ length: UInt64, at offset: UInt64, userData: UInt
    ) -> RequestID {
        outstanding &+= 1
        request.pointee.completion.asked.userData = userData
        request.pointee.completion.asked.operation = verb
        request.pointee.completion.asked.offset = offset
        request.pointee.completion.asked.length = length
        request.pointee.isPlain = true
        request.pointee.isDirect = true
        request.pointee.started = batchClock
        let operation = request.operation
        operation.pointee.verb = UInt8(verb == .read ? CBIO_READ : CBIO_WRITE)
        operation.pointee.is_durable = false
        operation.pointee.is_pending = true
        operation.pointee.is_queued = false
        operation.pointee.vectors = vectors.baseAddress
        operation.pointee.vector_count = UInt16(truncatingIfNeeded: vectors.count)
        operation.pointee.position = offset
        operation.pointee.length = length
        if verb == .write {
            files.base.pointee.modifying &+= 1
            if offsetMask != 0 && track(request) { return RequestID(request) }
        }
        pending.append(request)
        return RequestID(request)
    }

    /// Delivers: the next request that has ended, in the order in which they did. It counts as
    /// delivered; its slot is to be recycled.
    @inline(__always)
    @inlinable
    mutating func deliver() -> RequestPointer? {
        guard let request = finished.popFirst() else { return nil }
        outstanding &-= 1
        return request
    }

    /// Frees a slot.
    @inline(__always)
    @inlinable
    mutating func recycle(_ request: RequestPointer) {
        if !request.pointee.isPlain { clean(request) }
        free.give(back: request)
    }

    @inline(never)
    @usableFromInline
    func clean(_ request: RequestPointer) { request.pointee.reset() }
}
