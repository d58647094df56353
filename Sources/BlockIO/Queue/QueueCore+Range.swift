import Glibc

// Discard, write zeroes and resize: calls that the kernel has no asynchronous form of, made by the
// engine's helper threads, and what is tried when one is not to be had.
extension QueueCore {
    /// The first way for a discard or for zeroes.
    mutating func startRange(_ request: RequestPointer) {
        let isDiscard = request.pointee.verb == .discard
        let host = file(of: request).pointee.host
        request.pointee.rangeWay = .first
        let start = request.pointee.offset
        let end = start + request.pointee.length
        if host.kind != .device {
            let operation: EngineOrder.Operation = isDiscard ? .punchHole : .zeroRange
            countPageCacheUse(request)
            return orderRange(request, operation, start, end)
        }
        // A device takes whole sectors only (ioctl BLKDISCARD, BLKZEROOUT: EINVAL).
        let mask = UInt64(host.deviceSectorSize - 1)
        if isDiscard {
            // A discard is a hint: what is left of it is a smaller hint.
            let inner = ((start + mask) & ~mask, end & ~mask)
            guard inner.0 < inner.1 else {
                request.pointee.effect = .oldData
                return finish(request, nil)
            }
            orderRange(request, .deviceDiscard, inner.0, inner.1)
        } else if (start | end) & mask == 0 {
            orderRange(request, .deviceZero, start, end)
        } else {
            writeZeroBuffers(request)
        }
    }

    /// From now until a flush has covered it, the page cache may hold what the request writes or clears.
    mutating func countPageCacheUse(_ request: RequestPointer) {
        let state = file(of: request)
        if !request.pointee.usesPageCache {
            request.pointee.usesPageCache = true
            state.pointee.pageCacheUsers &+= 1
        }
        state.pointee.flushes.coversPages = false
        state.pointee.host.hasUnsyncedPages = true
    }

    private mutating func orderRange(
        _ request: RequestPointer, _ operation: EngineOrder.Operation, _ start: UInt64,
        _ end: UInt64
    ) {
        order(
            request, .range,
            EngineOrder(operation: operation, position: start, length: end - start))
    }

    mutating func settleRange(_ request: RequestPointer) {
        switch request.pointee.engine.operation {
        case .truncate:
            // Not what was asked for: others may have changed the file in between.
            let state = file(of: request)
            state.pointee.host.refreshSize()
            adoptGeometry(state)
        case .deviceDiscard: request.pointee.effect = .unknown
        default: request.pointee.effect = .zeroes
        }
        if request.pointee.verb != .resize { request.pointee.moved = request.pointee.length }
        finish(request, nil)
    }

    /// ENOTTY, EOPNOTSUPP, ENOSYS and EINVAL say that there is no such way here.
    mutating func settleRangeError(_ request: RequestPointer, _ errno: CInt) {
        let isMissing = [EOPNOTSUPP, ENOTTY, ENOSYS, EINVAL].contains(errno)
        guard isMissing, request.pointee.verb != .resize else {
            request.pointee.errno = errno
            return finish(request, .system)
        }
        counters.fallbacks &+= 1
        if request.pointee.verb == .discard {
            request.pointee.effect = .oldData
            return finish(request, nil)
        }
        if request.pointee.rangeWay == .first && file(of: request).pointee.host.kind != .device {
            request.pointee.rangeWay = .punchHole
            request.pointee.engine.operation = .punchHole
            enqueue(request)
        } else {
            writeZeroBuffers(request)
        }
    }

    /// The way that always works: a write of one block of zeroes again and again.
    private mutating func writeZeroBuffers(_ request: RequestPointer) {
        request.pointee.rangeWay = .buffers
        request.pointee.effect = .zeroes
        startPieces(request)
    }
}

/// Zeroes. Safe to share, because nobody writes to them.
struct ZeroBlock: @unchecked Sendable {
    static let byteCount = 1 << 20
    static let shared = ZeroBlock()
    let base: UnsafeMutableRawPointer

    private init() {
        base = .allocate(byteCount: Self.byteCount, alignment: 65536)
        memset(base, 0, Self.byteCount)
    }
}
