import Glibc

// Discard, write zeroes and resize: calls that the kernel has no asynchronous form of, made by the
// engine's helper threads, and what is tried when one is not to be had.
extension QueueCore {
    /// The first way for a discard or for zeroes.
    mutating func startRange(_ request: RequestPointer) {
        let isDiscard = request.pointee.operation == .discard
        let host = file(of: request).pointee.host
        request.pointee.rangeWay = .first
        let start = request.pointee.offset
        let end = start + request.pointee.length
        if host.kind != .device {
            let givesBack = isDiscard || request.pointee.zeroOptions.contains(.unmap)
            let operation: EngineSubmission.Kind = givesBack ? .punchHole : .zeroRange
            countPageCacheUse(request)
            return enqueueRange(request, operation, start, end)
        }
        // A device takes whole sectors only (ioctl BLKDISCARD, BLKZEROOUT: EINVAL).
        let mask = UInt64(host.deviceSectorSize - 1)
        if isDiscard {
            // A discard is a hint: what is left of it is a smaller hint.
            let inner = ((start + mask) & ~mask, end & ~mask)
            guard inner.0 < inner.1 else {
                request.pointee.effect = .oldData
                return complete(request, nil)
            }
            enqueueRange(request, .deviceDiscard, inner.0, inner.1)
        } else if (start | end) & mask == 0 {
            // BLKZEROOUT may not give storage back; fallocate(2) on a device does, or refuses.
            let givesBack = request.pointee.zeroOptions.contains(.unmap)
            enqueueRange(request, givesBack ? .punchHole : .deviceZero, start, end)
        } else {
            writeZeroBuffers(request)
        }
    }

    /// From now until a flush has covered it, the page cache may hold what the request writes or clears.
    mutating func countPageCacheUse(_ request: RequestPointer) {
        let state = file(of: request)
        if request.pointee.usesPageCache { return }
        request.pointee.usesPageCache = true
        state.pointee.host.beginPageCacheUse()
    }

    /// The page cache holds all that the request has left there.
    func endPageCacheUse(_ request: RequestPointer) {
        guard request.pointee.usesPageCache else { return }
        request.pointee.usesPageCache = false
        file(of: request).pointee.host.endPageCacheUse()
    }

    private mutating func enqueueRange(
        _ request: RequestPointer, _ operation: EngineSubmission.Kind, _ start: UInt64,
        _ end: UInt64
    ) {
        enqueue(
            request, .range,
            EngineSubmission(kind: operation, position: start, length: end - start))
    }

    mutating func settleRange(_ request: RequestPointer) {
        switch request.pointee.submission.kind {
        case .truncate:
            // Not what was asked for: others may have changed the file in between.
            let state = file(of: request)
            state.pointee.host.refreshSize()
            adoptGeometry(state)
        case .deviceDiscard: request.pointee.effect = .unknown
        default: request.pointee.effect = .zeroes
        }
        if request.pointee.operation != .resize { request.pointee.moved = request.pointee.length }
        guard request.pointee.isDurable else { return complete(request, nil) }
        // No call about a range makes stable what it changes. The flush covers this request too.
        endPageCacheUse(request)
        if !stopIfCancelled(request) { joinFlush(request) }
    }

    /// ENOTTY, EOPNOTSUPP, ENOSYS and EINVAL say that there is no such way here.
    mutating func settleRangeError(_ request: RequestPointer, _ errno: CInt) {
        let isMissing = [EOPNOTSUPP, ENOTTY, ENOSYS, EINVAL].contains(errno)
        guard isMissing, request.pointee.operation != .resize else {
            request.pointee.errno = errno
            return complete(request, .system)
        }
        counters.fallbacks &+= 1
        if request.pointee.operation == .discard {
            request.pointee.effect = .oldData
            return complete(request, nil)
        }
        if request.pointee.rangeWay == .first, let other = secondWay(request) {
            request.pointee.rangeWay = .second
            request.pointee.submission.kind = other
            enqueue(request)
        } else {
            writeZeroBuffers(request)
        }
    }

    /// What is tried to write zeroes after the first way; `nil` if there is nothing but buffers.
    private func secondWay(_ request: RequestPointer) -> EngineSubmission.Kind? {
        let isDevice = file(of: request).pointee.host.kind == .device
        guard request.pointee.zeroOptions.contains(.unmap) else {
            return isDevice ? nil : .punchHole
        }
        return isDevice ? .deviceZero : .zeroRange
    }

    /// The way that always works: a write of one block of zeroes again and again.
    private mutating func writeZeroBuffers(_ request: RequestPointer) {
        if request.pointee.zeroOptions.contains(.noFallback) {
            return complete(request, .unsupported)
        }
        takeBytesOfZeroes(request)
        request.pointee.rangeWay = .buffers
        request.pointee.effect = .zeroes
        startPieces(request)
    }
}
