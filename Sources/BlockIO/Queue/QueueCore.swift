import CBlockIO
import Glibc

/// The state of a queue and the pipeline through which each request goes:
///
///     start -> check -> (pending) -> engine -> settle -> (finished) -> deliver
///
/// `settle` sends a request back to `pending` when a transfer was short, was interrupted or has
/// more pieces to go. Everything that does not depend on the engine happens here, once.
struct QueueCore: ~Copyable {
    private let image: BlockImage
    private let engine: ActiveEngine
    private let memoryMask: UInt
    private let offsetMask: UInt
    private let size: UInt64
    private let isWritable: Bool

    private var slab: RequestSlab
    /// To be given to the engine, in order.
    private var pending = RequestFIFO()
    /// Back from the engine, not looked at.
    private var ended = RequestFIFO()
    /// Done, and not yet delivered by `poll`.
    private var finished = RequestFIFO()
    /// Started and not yet delivered or taken by a waiter.
    private(set) var outstanding = 0
    private var plugs = 0
    private var isClosed = false
    /// The descriptor has been made readable for `finished`.
    private var isWoken = false
    private var counters = BlockStatistics()

    init(image: BlockImage, options: QueueOptions) throws(BlockError) {
        self.image = image
        engine = try ActiveEngine(image: image, options: options)
        memoryMask = UInt(image.alignment.memory - 1)
        offsetMask = UInt(image.alignment.offset - 1)
        size = image.size
        isWritable = image.access == .readWrite
        slab = RequestSlab(chunkSize: 256)
    }

    var descriptor: CInt { engine.descriptor }

    var statistics: BlockStatistics {
        var copy = counters
        copy.slotGrowths = UInt64(slab.growths)
        return copy
    }

    // MARK: Submitting

    /// What a caller asks for.
    struct Call {
        var operation: BlockOperation
        var vectors: UnsafePointer<iovec>?
        var count = 0
        var offset: UInt64 = 0
        var isDurable = false
        var userData: UInt = 0
        var route = IORequest.Route.poll
        var closure: Unmanaged<CompletionClosure>?
        /// Instead of `vectors`: one buffer, whose list the slot holds.
        var buffer: iovec?
    }

    /// Starts a request. It is on its way when this returns, unless the queue is plugged.
    @discardableResult
    mutating func start(_ call: borrowing Call) -> RequestPointer {
        let request = slab.take()
        outstanding &+= 1
        request.pointee.operation = call.operation
        request.pointee.isDurable = call.isDurable
        request.pointee.route = call.route
        request.pointee.closure = call.closure
        request.pointee.userData = call.userData
        request.pointee.offset = call.offset
        request.pointee.failure = nil
        request.pointee.errno = 0
        request.pointee.moved = 0
        request.pointee.elementsDone = 0
        request.pointee.bytesOfElementDone = 0
        request.pointee.scratch = nil
        if let buffer = call.buffer {
            request.pointee.singleBuffer = buffer
            request.pointee.callerVectors = UnsafePointer(
                UnsafeRawPointer(request).assumingMemoryBound(to: iovec.self))
            request.pointee.callerVectorCount = 1
        } else {
            request.pointee.callerVectors = call.vectors
            request.pointee.callerVectorCount = call.count
        }

        if let refused = check(request) {
            finish(request, refused)
        } else if request.pointee.length == 0 && request.pointee.operation != .flush {
            finish(request, nil)
        } else {
            request.preparePiece(alignment: offsetMask + 1)
            enqueue(request)
        }
        if plugs == 0 { submitPending() }
        return request
    }

    /// From here to `unplug` requests only queue up.
    mutating func plug() { plugs &+= 1 }

    /// The end of the outermost plug submits what has queued up, in one system call where the
    /// engine has one.
    mutating func unplug() {
        plugs &-= 1
        if plugs == 0 { submitPending() }
    }

    private mutating func enqueue(_ request: RequestPointer) {
        counters.kernelRequests &+= 1
        pending.append(request)
    }

    private mutating func submitPending() {
        if !pending.isEmpty {
            engine.submit(&pending, finished: &ended)
            settleEnded()
        }
        // What finishes outside `poll` would not wake a thread that sleeps on the descriptor.
        if !finished.isEmpty && !isWoken && !isClosed {
            isWoken = true
            engine.wake()
        }
    }

    /// `nil` when the request may go to the engine. Sets its length.
    private func check(_ request: RequestPointer) -> BlockError.Code? {
        request.pointee.length = 0
        if isClosed { return .closed }
        if request.pointee.operation == .flush { return nil }

        var total: UInt = 0
        var offending: UInt = 0
        var overflow = false
        if let vectors = request.pointee.callerVectors {
            for index in 0..<request.pointee.callerVectorCount {
                let length = UInt(bitPattern: vectors[index].iov_len)
                let address = UInt(bitPattern: vectors[index].iov_base)
                offending |= length & offsetMask
                if length != 0 { offending |= address & memoryMask }
                let (sum, carry) = total.addingReportingOverflow(length)
                total = sum
                overflow = overflow || carry
            }
        }
        request.pointee.length = overflow ? .max : UInt64(total)
        if request.pointee.operation == .write && !isWritable { return .readOnly }
        let (end, carry) = request.pointee.offset.addingReportingOverflow(UInt64(total))
        if overflow || carry || end > size { return .outOfRange }
        // Lengths that are all multiples make the positions multiples, if the first one is.
        offending |= UInt(request.pointee.offset) & offsetMask
        return offending == 0 || total == 0 ? nil : .misaligned
    }

    // MARK: Completing

    /// Looks at everything that came back from the engine.
    private mutating func settleEnded() {
        while let request = ended.popFirst() { settle(request) }
    }

    private mutating func settle(_ request: RequestPointer) {
        let result = request.pointee.result
        guard result >= 0 else {
            let errno = CInt(-result)
            if errno == EINTR || errno == EAGAIN {
                counters.retries &+= 1
                enqueue(request)
            } else {
                request.pointee.errno = errno
                finish(request, .system)
            }
            return
        }
        if request.pointee.operation == .flush { return finish(request, nil) }
        request.pointee.moved &+= UInt64(result)
        if request.pointee.moved == request.pointee.length { return finish(request, nil) }
        if result == 0 { return finish(request, .endOfMedium) }
        if result < request.pointee.pieceLength { counters.shortTransfers &+= 1 }
        request.advance(by: Int(result))
        request.preparePiece(alignment: offsetMask + 1)
        enqueue(request)
    }

    private mutating func finish(_ request: RequestPointer, _ failure: BlockError.Code?) {
        request.pointee.failure = failure
        request.releaseScratch()
        let moved = request.pointee.moved
        switch request.pointee.operation {
        case .read: counters.reads.count(moved, failure)
        case .write: counters.writes.count(moved, failure)
        case .flush, .open: counters.flushes.count(moved, failure)
        }
        if request.pointee.route == .waiter {
            request.pointee.route = .waiterDone
        } else {
            finished.append(request)
        }
    }

    // MARK: Waiting

    /// Submits what is pending and collects what has ended, waiting until `minimum` requests (or
    /// all there are) can be delivered. Returns how many can.
    mutating func collect(minimum: Int, timeout: Duration?) -> Int {
        isWoken = false
        if isClosed { return finished.count }
        let wanted = min(minimum, outstanding)
        guard finished.count < wanted else {
            step(minimum: 0, limit: .nanoseconds(0))
            return finished.count
        }
        var limit = WaitLimit(timeout)
        let deadline = limit.deadline()
        while finished.count < wanted {
            let end = step(minimum: wanted - finished.count, limit: limit)
            if end == .interrupted { break }
            if let deadline, finished.count < wanted {
                limit = WaitLimit(until: deadline)
                if limit.hasPassed { break }
            }
        }
        return finished.count
    }

    /// Waits for a request made with ``IORequest/Route/waiter``, and frees its slot. Others that
    /// end meanwhile are left to `poll`.
    mutating func wait(for request: RequestPointer) -> BlockCompletion {
        while request.pointee.route != .waiterDone { step(minimum: 1, limit: .forever) }
        let completion = BlockCompletion(request)
        release(request)
        if plugs == 0 { submitPending() }
        return completion
    }

    /// Waits until everything has ended, and shuts the engine down. What has not been delivered
    /// still can be.
    mutating func close() {
        if isClosed { return }
        while finished.count < outstanding {
            step(minimum: outstanding - finished.count, limit: .forever)
        }
        isClosed = true
        engine.destroy()
        image.releaseQueue()
    }

    /// One visit to the engine.
    @discardableResult
    private mutating func step(minimum: Int, limit: WaitLimit) -> WaitEnd {
        let end = engine.reap(
            minimum: minimum, limit: limit, pending: &pending, finished: &ended)
        settleEnded()
        // Pieces and retries that `settle` has sent back.
        if !pending.isEmpty {
            engine.submit(&pending, finished: &ended)
            settleEnded()
        }
        return end
    }

    /// The next request to deliver, in the order in which they ended.
    mutating func deliver() -> (BlockCompletion, Unmanaged<CompletionClosure>?)? {
        guard let request = finished.popFirst() else { return nil }
        let delivery = (BlockCompletion(request), request.pointee.closure)
        release(request)
        return delivery
    }

    private mutating func release(_ request: RequestPointer) {
        slab.give(back: request)
        outstanding &-= 1
    }
}

extension BlockCompletion {
    fileprivate init(_ request: RequestPointer) {
        self.init(
            userData: request.pointee.userData, operation: request.pointee.operation,
            offset: request.pointee.offset, length: request.pointee.length,
            transferred: request.pointee.moved, failure: request.pointee.failure,
            errno: request.pointee.errno)
    }
}

extension BlockStatistics.Counter {
    fileprivate mutating func count(_ moved: UInt64, _ failure: BlockError.Code?) {
        if failure == nil {
            operations &+= 1
        } else {
            errors &+= 1
        }
        bytes &+= moved
    }
}
