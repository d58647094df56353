import BlockIO

/// One way to get the requests of numbered slots done. The loop that measures is compiled for
/// each of them.
protocol Transport {
    /// Starts the request of `slot`, which has none under way.
    func start(_ slot: Int, isWrite: Bool, at offset: UInt64)

    /// Waits until a request has ended, for a tenth of a second at most; hands each slot whose
    /// request has ended to `body`, with the reason when it failed. `body` may start requests.
    func poll(_ body: (_ slot: Int, _ failure: String?) -> Void)

    /// Runs `body`, within which starting and waiting may be one system call.
    func batched(_ body: () -> Void)

    /// What it took so far.
    var effort: Effort { get }
}

/// What requests took below the interface.
struct Effort {
    /// Requests that the kernel was given.
    var kernelRequests: UInt64 = 0
    /// Bytes that passed through a bounce buffer.
    var bouncedBytes: UInt64 = 0

    static func - (later: Effort, earlier: Effort) -> Effort {
        Effort(
            kernelRequests: later.kernelRequests - earlier.kernelRequests,
            bouncedBytes: later.bouncedBytes - earlier.bouncedBytes)
    }

    static func += (sum: inout Effort, other: Effort) {
        sum.kernelRequests += other.kernelRequests
        sum.bouncedBytes += other.bouncedBytes
    }
}

/// How long a wait may take before the loop looks at the clock and at ``Interrupt``.
let pollLimit = Duration.milliseconds(100)

/// One list is one request of the library.
struct VectoredTransport: Transport {
    let queue: BlockQueue
    let buffers: SlotBuffers

    func start(_ slot: Int, isWrite: Bool, at offset: UInt64) {
        let pieces = buffers.pieces(of: slot)
        if isWrite {
            queue.writev(pieces, at: offset, userData: UInt(slot))
        } else {
            queue.readv(pieces, at: offset, userData: UInt(slot))
        }
    }

    func poll(_ body: (_ slot: Int, _ failure: String?) -> Void) {
        queue.poll(minimum: 1, timeout: pollLimit) { completion in
            body(Int(completion.userData), completion.complaint(on: queue.image))
        }
    }

    func batched(_ body: () -> Void) { queue.batch(body) }

    var effort: Effort { queue.effort }
}

extension BlockQueue {
    var effort: Effort {
        let statistics = statistics
        return Effort(
            kernelRequests: statistics.kernelRequests, bouncedBytes: statistics.bouncedBytes)
    }
}

extension BlockCompletion {
    /// `nil` on success, otherwise one line for people.
    func complaint(on image: BlockImage) -> String? {
        if isSuccess { return nil }
        do throws(BlockError) {
            try get(on: image)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
