import BenchSupport

/// Keeps a request in flight for every slot and counts what they do, without an allocation a
/// request.
///
/// The clock is read once for all requests that one wait delivers: they ended then, and those
/// that take their places start then. Waiting and starting is one system call where the transport
/// can. With a verifier a block that is written is first read and checked, when its content is
/// known: otherwise the write could destroy the evidence of a fault. Both count as requests.
struct RequestLoop<Way: Transport>: ~Copyable {
    private let transport: Way
    private let buffers: SlotBuffers
    private let base: UInt64
    private let blockSize: Int
    private let verifier: Verifier?
    private let complain: (String) -> Void
    private let slots: UnsafeMutableBufferPointer<Slot>
    private var sequence: AccessSequence
    private var inFlight = 0
    private var isCounting = false
    private var isEnding = false
    private var now: UInt64 = 0
    private var tally = Tally()

    private struct Slot {
        var startedAt: UInt64 = 0
        var block = 0
        var step = Step.read
    }

    private enum Step { case read, readBeforeWrite, write }

    /// Nanoseconds between two calls of `tick`.
    private static var tickInterval: UInt64 { 100_000_000 }

    /// Block 0 begins at byte `base` of the target. `complain` is told every failure and mismatch.
    init(
        _ transport: Way, buffers: SlotBuffers, base: UInt64, blockSize: Int,
        sequence: AccessSequence, verifier: Verifier?, complain: @escaping (String) -> Void
    ) {
        self.transport = transport
        self.buffers = buffers
        self.base = base
        self.blockSize = blockSize
        self.sequence = sequence
        self.verifier = verifier
        self.complain = complain
        slots = .allocate(capacity: buffers.depth)
        slots.initialize(repeating: Slot())
    }

    deinit { slots.deallocate() }

    /// Works for `warmUp` and then counts for `duration`, both in nanoseconds, or until
    /// ``Interrupt`` or the end of the sequence; then waits for what is in flight. `tick` is
    /// called now and then with the time that has passed.
    consuming func measure(
        warmUp: UInt64, duration: UInt64, tick: (_ elapsed: UInt64, _ tally: Tally) -> Void
    ) -> Tally {
        run { loop in
            let begin = loop.now
            loop.advance(until: begin + warmUp, since: begin, tick)
            let start = loop.now
            let processorStart = ProcessorTime.nanoseconds
            let effortStart = loop.transport.effort
            loop.isCounting = true
            loop.advance(until: start + duration, since: begin, tick)
            loop.isCounting = false
            loop.tally.nanoseconds = loop.now - start
            loop.tally.processorNanoseconds = ProcessorTime.nanoseconds - processorStart
            loop.tally.effort = loop.transport.effort - effortStart
        }
    }

    /// Works to the end of the sequence, or until ``Interrupt``.
    consuming func runToEnd(tick: (_ elapsed: UInt64, _ tally: Tally) -> Void) -> Tally {
        run { loop in
            loop.isCounting = true
            loop.advance(until: .max, since: loop.now, tick)
        }
    }

    private consuming func run(_ body: (inout Self) -> Void) -> Tally {
        var loop = self
        let transport = loop.transport
        transport.batched {
            loop.now = MonotonicClock.nanoseconds
            for slot in 0..<loop.buffers.depth { loop.begin(slot) }
            body(&loop)
            loop.isEnding = true
            while loop.inFlight > 0 { loop.step() }
        }
        return loop.tally
    }

    private mutating func advance(
        until end: UInt64, since begin: UInt64, _ tick: (UInt64, Tally) -> Void
    ) {
        var nextTick = now
        while now < end && inFlight > 0 && !Interrupt.isPending {
            if now >= nextTick {
                nextTick = now + Self.tickInterval
                tick(now - begin, tally)
                Interrupt.lookAtOutput()
            }
            step()
        }
    }

    /// One wait, and new requests for those that have ended.
    private mutating func step() {
        let transport = transport
        var isClockRead = false
        transport.poll { slot, failure in
            if !isClockRead {
                now = MonotonicClock.nanoseconds
                isClockRead = true
            }
            complete(slot, failure)
        }
        if !isClockRead { now = MonotonicClock.nanoseconds }
    }

    private mutating func begin(_ slot: Int) {
        while let access = sequence.next() {
            guard verifier?.claim(access.block) ?? true else { continue }
            slots[slot].block = access.block
            let evidence = verifier?.knows(access.block) ?? false
            start(slot, !access.isWrite ? .read : evidence ? .readBeforeWrite : .write)
            return
        }
    }

    private mutating func start(_ slot: Int, _ step: Step) {
        let block = slots[slot].block
        slots[slot].step = step
        slots[slot].startedAt = now
        inFlight &+= 1
        if step == .write {
            verifier?.prepareWrite(of: block, slot: slot, pieces: buffers.pieces(of: slot))
        }
        transport.start(
            slot, isWrite: step == .write, at: base &+ UInt64(block) &* UInt64(blockSize))
    }

    private mutating func complete(_ slot: Int, _ failure: String?) {
        inFlight &-= 1
        if let failure {
            tally.errors &+= 1
            complain(failure)
        } else if isCounting {
            tally.count(latency: now &- slots[slot].startedAt)
        }
        if let verifier {
            verify(slot, succeeded: failure == nil, verifier)
            if slots[slot].step == .readBeforeWrite && !isEnding { return start(slot, .write) }
            verifier.release(slots[slot].block)
        }
        if !isEnding { begin(slot) }
    }

    private mutating func verify(_ slot: Int, succeeded: Bool, _ verifier: Verifier) {
        let block = slots[slot].block
        if slots[slot].step == .write {
            verifier.finishWrite(of: block, slot: slot, succeeded: succeeded)
        } else if succeeded,
            let mismatch = verifier.check(block, pieces: buffers.pieces(of: slot))
        {
            tally.mismatches &+= 1
            complain(mismatch)
        }
    }
}
