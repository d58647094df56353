import BlockHost
import Glibc

// The first station of the general path: what a request asks for against what the image is. The fast
// path asks `TransferLimits` alone.
extension QueueCore {
    /// Where a request goes from here.
    enum Verdict {
        /// To the engine as it is: one submission with the caller's list.
        case submitsList
        /// To the engine in another form: in pieces, through a bounce buffer, or by another call than a
        /// transfer.
        case needsWork
        /// To its completion, with success: there is nothing to do.
        case isDone
        /// To its completion, with this failure.
        case refused(BlockError.Code)

        /// Whether the request does not complete at once.
        var goesOn: Bool {
            switch self {
            case .submitsList, .needsWork: true
            case .isDone, .refused: false
            }
        }
    }

    /// Checks a request and sets its length.
    mutating func check(_ request: RequestPointer) -> Verdict {
        switch request.pointee.operation {
        case .read, .write: return checkTransfer(request)
        case .flush, .open:
            request.pointee.length = 0
            let host = file(of: request).pointee.host
            // What others wrote is theirs to make stable.
            if host.access == .readOnly { return .isDone }
            if host.flushFailure != 0 {
                request.pointee.errno = host.flushFailure
                return .refused(.system)
            }
            return .needsWork
        case .discard, .writeZeroes:
            if let refused = checkRange(request) { return .refused(refused) }
            if request.pointee.length > 0 { return .needsWork }
            // Beyond the end of the file, everything reads as zeroes.
            if request.pointee.beyond > 0 { request.pointee.effect = .zeroes }
            return .isDone
        case .resize:
            let host = file(of: request).pointee.host
            if host.access == .readOnly { return .refused(.readOnly) }
            if request.pointee.route == .guest {
                return host.capabilities.contains(.resize) ? .needsWork : .refused(.unsupported)
            }
            guard image.capabilities.contains(.resize) else { return .refused(.unsupported) }
            // An image of another size could not be opened again, or would be another one then.
            let rest = request.pointee.length % UInt64(image.logicalBlockSize)
            return rest == 0 ? .needsWork : .refused(.sizeNotMultiple)
        }
    }

    private mutating func checkTransfer(_ request: RequestPointer) -> Verdict {
        let vectors = request.pointee.vectors
        var sum = VectorSum(vectors)
        request.pointee.length = sum.mayOverflow && overflows(vectors) ? .max : UInt64(sum.total)
        if let refused = checkRange(request) { return .refused(refused) }
        if request.pointee.length == 0 { return .isDone }
        if request.pointee.beyond > 0 { return .needsWork }
        let state = file(of: request)
        // The address of an empty element does not count.
        if sum.addressBits & state.pointee.limits.memoryMask != 0 {
            sum.addressBits = addresses(vectors)
        }
        let fits =
            vectors.count <= PieceTransfer.maximumElements
            && state.pointee.limits.admit(sum, at: request.pointee.offset)
        return fits ? .submitsList : .needsWork
    }

    @inline(never)
    private func addresses(_ vectors: IOVectorList) -> UInt {
        vectors.reduce(0) { $1.length == 0 ? $0 : $0 | $1.address }
    }

    @inline(never)
    private func overflows(_ vectors: IOVectorList) -> Bool {
        var total: UInt = 0
        return vectors.contains { vector in
            let (sum, carry) = total.addingReportingOverflow(UInt(bitPattern: vector.length))
            total = sum
            return carry
        }
    }

    private mutating func checkRange(_ request: RequestPointer) -> BlockError.Code? {
        let state = file(of: request)
        if request.pointee.operation != .read && state.pointee.host.access == .readOnly {
            return .readOnly
        }
        let (end, carry) = request.pointee.offset.addingReportingOverflow(request.pointee.length)
        if carry || request.pointee.length == .max { return .outOfRange }
        return end > state.pointee.limits.size ? checkEnd(request, end, state) : nil
    }

    /// A request that ends at `end`, beyond the file as it was.
    @inline(never)
    private mutating func checkEnd(
        _ request: RequestPointer, _ end: UInt64, _ state: StablePointer<FileState>
    ) -> BlockError.Code? {
        // The file or device may have grown since, and another queue of the image may have noticed before.
        if !isForGuest(state) { state.pointee.host.refreshSize() }
        adoptGeometry(state)
        let size = state.pointee.limits.size
        // What the image has beyond is for guests only.
        if end > (request.pointee.route == .guest ? size : image.roundedUp(size)) {
            return .outOfRange
        }
        if end <= size || request.pointee.length == 0 { return nil }
        // In the last block, which the file does not fill.
        if request.pointee.operation == .write {
            request.pointee.errno = ENOSPC
            return .endOfMedium
        }
        request.pointee.beyond = end - max(size, request.pointee.offset)
        request.pointee.length -= request.pointee.beyond
        return nil
    }

    /// The request is again what was asked for, whether or not it reaches beyond the file.
    mutating func restoreLength(_ request: RequestPointer) {
        request.pointee.length += request.pointee.beyond
        request.pointee.beyond = 0
    }

    /// Completes the part of a request beyond the end of the file, which reads as zeroes if the rest succeeded.
    @inline(never)
    mutating func completeBeyondEnd(_ request: RequestPointer, isSuccess: Bool) {
        if isSuccess {
            if request.pointee.operation == .read && !clearBeyond(request) {
                request.pointee.failure = .system
                request.pointee.errno = EFAULT
            } else if request.pointee.effect != .oldData {
                request.pointee.moved += request.pointee.beyond
            }
        }
        restoreLength(request)
    }

    /// Clears the caller's memory for the bytes beyond the end of the file; false when some of it has gone.
    private func clearBeyond(_ request: RequestPointer) -> Bool {
        var skip = Int(request.pointee.length)
        for vector in request.pointee.vectors {
            if skip < vector.length {
                guard vector.part(skip..<vector.length).clear() else { return false }
            }
            skip = max(0, skip - vector.length)
        }
        return true
    }
}
