import BlockIO

/// The range of a target that `--verify` has laid out, and the knowledge of what it must hold.
final class VerifiedRange {
    /// What every block must hold.
    let verifier: Verifier
    private let target: Target
    private let caching: OpenOptions.Caching
    private let blockSize: Int
    private let buffers: SlotBuffers
    private let console: Console

    /// Requests in flight while all blocks are written or read, and their bytes at most.
    private static let sweepDepth = 32
    private static let sweepBytes = 64 << 20

    /// `depth` is the largest at which the range will be worked on.
    init(
        target: Target, caching: OpenOptions.Caching, blockSize: Int, depth: Int,
        console: Console
    ) {
        self.target = target
        self.caching = caching
        self.blockSize = blockSize
        self.console = console
        let blocks = target.verifiedBlocks(of: blockSize)
        let sweep = Work(
            pattern: .readwrite, blockSize: blockSize,
            depth: max(1, min(Self.sweepDepth, Self.sweepBytes / blockSize, blocks)), vectors: 1)
        buffers = SlotBuffers(sweep)
        verifier = Verifier(
            base: target.range.offset, blocks: blocks, blockSize: blockSize,
            depth: max(depth, sweep.depth))
    }

    /// Writes every block.
    func layOut(progress: Double) throws {
        let tally = try sweep(writing: true, progress, "laying out \(target.name)")
        if tally.errors > 0 {
            throw Failure("\(target.name) could not be laid out: \(tally.errors) writes failed")
        }
    }

    /// Reads and checks every block.
    func check(progress: Double) throws -> Tally {
        try sweep(writing: false, progress, "verifying \(target.name)")
    }

    private func sweep(writing: Bool, _ progress: Double, _ text: String) throws -> Tally {
        let image = try BlockImage.open(
            pathname: target.path,
            OpenOptions(access: writing ? .readWrite : .readOnly, caching: caching))
        let queue = try BlockQueue(
            image,
            QueueOptions(threading: .owned, depth: buffers.depth, hasDescriptor: false))
        let blocks = verifier.blocks
        let loop = RequestLoop(
            VectoredTransport(queue: queue, buffers: buffers), buffers: buffers,
            base: target.range.offset, blockSize: blockSize,
            sequence: .sweep(blocks: blocks, writing: writing),
            verifier: verifier, complain: console.complain)
        return loop.runToEnd { _, tally in
            console.showProgress(progress, "\(text): \(tally.requests * 100 / UInt64(blocks)) %")
        }
    }
}
