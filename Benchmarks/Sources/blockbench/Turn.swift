import BlockIO

/// One contender's turn at a work: it opens the target, works, and closes it again, so that
/// contenders never hold the target at the same time.
struct Turn {
    let target: Target
    let caching: OpenOptions.Caching
    let contender: Contender
    let work: Work
    let buffers: SlotBuffers
    let verifier: Verifier?
    /// The same for all contenders of a round.
    let seed: UInt64
    /// Nanoseconds that are not counted.
    let warmUp: UInt64
    /// Nanoseconds that are.
    let duration: UInt64

    /// Takes the turn: who it was that worked, and what it counted. Throws when the contender
    /// cannot work here.
    func take(
        console: Console, tick: (_ elapsed: UInt64, _ tally: Tally) -> Void
    ) throws -> (engine: String, tally: Tally) {
        let image = try BlockImage.open(
            pathname: target.path,
            OpenOptions(
                access: work.pattern.writes ? .readWrite : .readOnly, caching: caching,
                engine: contender.engineChoice))
        switch contender {
        case .engine:
            let queue = try queue(on: image, depth: work.depth)
            let way = VectoredTransport(queue: queue, buffers: buffers)
            return (image.engine.rawValue, measure(way, console, tick))
        case .scalar:
            let queue = try queue(on: image, depth: work.depth * work.vectors)
            let way = ScalarTransport(queue: queue, buffers: buffers)
            return (contender.name, measure(way, console, tick))
        case .serial:
            let queue = try queue(on: image, depth: work.depth)
            let way = SerialTransport(queue: queue, buffers: buffers)
            return (contender.name, measure(way, console, tick))
        case .bounce:
            let queue = try queue(on: image, depth: work.depth)
            let way = BounceTransport(queue: queue, buffers: buffers)
            return (contender.name, measure(way, console, tick))
        case .listIO:
            let way = try ListIOTransport(image: image, buffers: buffers)
            return (contender.name, measure(way, console, tick))
        }
    }

    private func queue(on image: BlockImage, depth: Int) throws -> BlockQueue {
        try BlockQueue(
            image,
            QueueOptions(threading: .owned, depth: min(depth, 4096), hasDescriptor: false))
    }

    private func measure<Way: Transport>(
        _ way: Way, _ console: Console, _ tick: (UInt64, Tally) -> Void
    ) -> Tally {
        let sequence = AccessSequence(
            work.pattern,
            blocks: verifier?.blocks ?? target.blocks(of: work.blockSize), seed: seed)
        let loop = RequestLoop(
            way, buffers: buffers, base: target.range.offset, blockSize: work.blockSize,
            sequence: sequence, verifier: verifier, complain: console.complain)
        return loop.measure(warmUp: warmUp, duration: duration, tick: tick)
    }
}
