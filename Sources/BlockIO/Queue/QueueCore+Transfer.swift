import CBlockIO
import Glibc

// The second station: what the engine is asked to do for a request.
extension QueueCore {
    /// One engine operation, the caller's own list.
    mutating func transferDirectly(_ request: RequestPointer) {
        let isWrite = request.pointee.verb == .write
        request.pointee.isDirect = true
        request.pointee.isPlain =
            !request.pointee.isDurable && request.pointee.route == .poll
            && request.pointee.closure == nil
        let operation = request.operation
        operation.pointee.verb = UInt8(isWrite ? CBIO_WRITE : CBIO_READ)
        operation.pointee.is_durable = request.pointee.isDurable && !lacksDurableWrite
        operation.pointee.vectors = request.pointee.vectors
        operation.pointee.vector_count = UInt32(truncatingIfNeeded: request.pointee.vectorCount)
        operation.pointee.position = request.pointee.offset
        operation.pointee.length = request.pointee.length
        if isWrite && offsetMask != 0 && holdBack(request) { return }
        enqueue(request)
    }

    /// Keeps account of a write of whole blocks; true when it has to wait for an earlier one.
    @usableFromInline
    mutating func holdBack(_ request: RequestPointer) -> Bool {
        guard tracked.add(request, isExclusive: false, blockMask: UInt64(offsetMask)) else {
            return false
        }
        request.pointee.phase = .blocked
        return true
    }

    /// Everything else.
    mutating func startSlowly(_ request: RequestPointer) {
        request.pointee.isDirect = false
        if request.pointee.verb != .read && request.pointee.length > 0 && offsetMask != 0
            && request.pointee.verb != .resize
        {
            let mask = UInt64(offsetMask)
            let edges = request.pointee.offset | (request.pointee.offset + request.pointee.length)
            if tracked.add(request, isExclusive: edges & mask != 0, blockMask: mask) {
                request.pointee.phase = .blocked
                return
            }
        }
        proceed(request)
    }

    /// A request that need not wait, or no longer.
    mutating func proceed(_ request: RequestPointer) {
        switch request.pointee.verb {
        case .read, .write: startPieces(request)
        case .flush, .open:
            order(request, .transfer, EngineOrder(operation: .synchronize))
        case .discard, .writeZeroes: startRange(request)
        case .resize:
            order(
                request, .range,
                EngineOrder(operation: .truncate, position: request.pointee.length))
        }
    }

    /// What is left of a transfer, in pieces. Also where one resumes that came back short.
    mutating func startPieces(_ request: RequestPointer) {
        let end = request.pointee.offset + request.pointee.length
        let isWrite = request.pointee.verb != .read
        let pieces =
            request.pointee.pieces ?? UnsafeMutablePointer<PieceTransfer>.allocate(capacity: 1)
        if request.pointee.pieces != nil { pieces.deinitialize(count: 1) }
        pieces.initialize(
            to: PieceTransfer(
                request, alignment: alignment, bounceLimit: bounceLimit,
                end: isWrite ? min(end, wholeBlocksEnd) : end))
        request.pointee.pieces = pieces
        if pieces.pointee.isDone {
            orderTail(request)
        } else if let head = pieces.pointee.planHead() {
            counters.readModifyWrites &+= 1
            order(request, .readHead, head)
        } else {
            orderTailBlock(request)
        }
    }

    /// After the block around the first byte: the one around the last, or the first piece.
    mutating func orderTailBlock(_ request: RequestPointer) {
        if let tail = request.pointee.pieces.unsafelyUnwrapped.pointee.planTail() {
            counters.readModifyWrites &+= 1
            order(request, .readTail, tail)
        } else {
            orderPiece(request)
        }
    }

    /// The next piece.
    mutating func orderPiece(_ request: RequestPointer) {
        var plan = request.pointee.pieces.unsafelyUnwrapped.pointee.planPiece()
        plan.order.isDurable = request.pointee.isDurable && !lacksDurableWrite
        counters.directBytes &+= plan.direct
        counters.bouncedBytes &+= plan.bounced
        counters.pieces &+= 1
        order(request, .transfer, plan.order)
    }

    /// The bytes of a write behind the last whole block.
    mutating func orderTail(_ request: RequestPointer) {
        var rest = request.pointee.pieces.unsafelyUnwrapped.pointee.planBufferedRest()
        rest.isDurable = request.pointee.isDurable && !lacksDurableWrite
        counters.bouncedBytes &+= rest.length
        order(request, .transferTail, rest)
    }

    mutating func order(
        _ request: RequestPointer, _ phase: IORequest.Phase, _ order: EngineOrder
    ) {
        request.pointee.phase = phase
        request.pointee.engine = order
        enqueue(request)
    }
}
