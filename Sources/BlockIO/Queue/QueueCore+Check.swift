import BlockHost
import Glibc

// The first station: what a request asks for against what the image is.
extension QueueCore {
    /// Where a request goes from here.
    enum Verdict {
        /// To the engine as it stands.
        case direct
        /// To the engine in pieces, through a bounce buffer or by a slow call.
        case slow
        /// Nothing to do.
        case done
        case refused(BlockError.Code)
    }

    /// Checks a request and sets its length.
    mutating func check(_ request: RequestPointer) -> Verdict {
        switch request.pointee.verb {
        case .read, .write: return checkTransfer(request)
        case .flush, .open:
            request.pointee.length = 0
            let host = file(of: request).pointee.host
            // What others wrote is theirs to make stable.
            if host.access == .readOnly { return .done }
            if host.flushFailure != 0 {
                request.pointee.errno = host.flushFailure
                return .refused(.system)
            }
            return .slow
        case .discard, .writeZeroes:
            if let refused = checkRange(request) { return .refused(refused) }
            if request.pointee.length > 0 { return .slow }
            // Beyond the end of the file, everything reads as zeroes.
            if request.pointee.beyond > 0 { request.pointee.effect = .zeroes }
            return .done
        case .resize:
            let host = file(of: request).pointee.host
            if host.access == .readOnly { return .refused(.readOnly) }
            if request.pointee.route == .guest {
                return host.capabilities.contains(.resize) ? .slow : .refused(.unsupported)
            }
            guard image.capabilities.contains(.resize) else { return .refused(.unsupported) }
            // An image of another size could not be opened again, or would be another one then.
            let rest = request.pointee.length % UInt64(image.logicalBlockSize)
            return rest == 0 ? .slow : .refused(.sizeNotMultiple)
        }
    }

    private mutating func checkTransfer(_ request: RequestPointer) -> Verdict {
        let count = request.pointee.vectorCount
        let vectors = UnsafeBufferPointer(start: request.pointee.vectors, count: count)
        let sum = VectorSum(vectors)
        let total = sum.total
        let (memoryMask, offsetMask) = (
            file(of: request).pointee.memoryMask, file(of: request).pointee.offsetMask
        )
        var offending = sum.lengthBits & offsetMask
        // That of an empty one does not count.
        if sum.addressBits & memoryMask != 0 { offending |= addresses(vectors) & memoryMask }
        request.pointee.length = sum.mayOverflow && overflows(vectors) ? .max : UInt64(total)
        if let refused = checkRange(request) { return .refused(refused) }
        if request.pointee.length == 0 { return .done }
        if request.pointee.beyond > 0 { return .slow }
        // Lengths that are all multiples make the positions multiples, if the first one is.
        offending |= UInt(request.pointee.offset) & offsetMask
        let fits =
            offending == 0 && count <= PieceTransfer.maximumElements
            && total <= PieceTransfer.maximumBytes
        return fits ? .direct : .slow
    }

    @inline(never)
    private func addresses(_ vectors: UnsafeBufferPointer<iovec>) -> UInt {
        vectors.reduce(0) { $1.iov_len == 0 ? $0 : $0 | UInt(bitPattern: $1.iov_base) }
    }

    @inline(never)
    private func overflows(_ vectors: UnsafeBufferPointer<iovec>) -> Bool {
        var total: UInt = 0
        return vectors.contains { vector in
            let (sum, carry) = total.addingReportingOverflow(UInt(bitPattern: vector.iov_len))
            total = sum
            return carry
        }
    }

    private mutating func checkRange(_ request: RequestPointer) -> BlockError.Code? {
        let state = file(of: request)
        if request.pointee.verb != .read && state.pointee.host.access == .readOnly {
            return .readOnly
        }
        let (end, carry) = request.pointee.offset.addingReportingOverflow(request.pointee.length)
        if carry || request.pointee.length == .max { return .outOfRange }
        return end > state.pointee.size ? checkEnd(request, end, state) : nil
    }

    /// A request that ends at `end`, beyond the file as it was.
    @inline(never)
    private mutating func checkEnd(
        _ request: RequestPointer, _ end: UInt64, _ state: UnsafeMutablePointer<FileState>
    ) -> BlockError.Code? {
        // The file or device may have grown since, and another queue of the image may have noticed before.
        if !isForGuest(state) { state.pointee.host.refreshSize() }
        adoptGeometry(state)
        let size = state.pointee.size
        // What the image has beyond is for guests only.
        if end > (request.pointee.route == .guest ? size : image.roundedUp(size)) {
            return .outOfRange
        }
        if end <= size || request.pointee.length == 0 { return nil }
        // In the last block, which the file does not fill.
        if request.pointee.verb == .write {
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

    /// The end of a request that reaches beyond the file: on success, what is there reads as zeroes.
    @inline(never)
    mutating func finishBeyond(_ request: RequestPointer, isSuccess: Bool) {
        if isSuccess {
            if request.pointee.verb == .read && !clearBeyond(request) {
                request.pointee.failure = .system
                request.pointee.errno = EFAULT
            } else if request.pointee.effect != .oldData {
                request.pointee.moved += request.pointee.beyond
            }
        }
        restoreLength(request)
    }

    /// Fills the end of the caller's list, from the end of the file on; false when some of it has gone.
    private func clearBeyond(_ request: RequestPointer) -> Bool {
        let vectors = UnsafeBufferPointer(
            start: request.pointee.vectors, count: request.pointee.vectorCount)
        var skip = Int(request.pointee.length)
        for vector in vectors {
            if skip < vector.iov_len {
                guard let base = vector.iov_base,
                    VolatileMemory.fill(base + skip, with: 0, count: vector.iov_len - skip)
                        == .whole
                else { return false }
            }
            skip = max(0, skip - vector.iov_len)
        }
        return true
    }
}

/// What the vectors of a list have together.
struct VectorSum {
    /// All addresses, and all lengths, each a disjunction of their bits.
    let addressBits: UInt
    let lengthBits: UInt
    /// Wraps.
    let total: UInt
    private let count: Int

    @inline(__always)
    init(_ vectors: UnsafeBufferPointer<iovec>) {
        // Address and length together.
        var bits = SIMD2<UInt>()
        var sum = SIMD2<UInt>()
        let raw = UnsafeRawBufferPointer(vectors)
        for index in 0..<vectors.count {
            let vector = raw.loadUnaligned(
                fromByteOffset: index &* MemoryLayout<iovec>.stride, as: SIMD2<UInt>.self)
            bits |= vector
            sum &+= vector
        }
        addressBits = bits[0]
        lengthBits = bits[1]
        total = sum[1]
        count = vectors.count
    }

    /// No sum of 2^20 lengths below 2^43 overflows.
    var mayOverflow: Bool { lengthBits >> 43 != 0 || count >> 20 != 0 }
}
