import BenchSupport
import BlockIO

/// The work that all contenders of one comparison do.
struct Work: Hashable, Sendable {
    var pattern: Pattern
    /// Bytes of one request.
    var blockSize: Int
    /// Requests in flight.
    var depth: Int
    /// Equal pieces of one request, each in memory of its own.
    var vectors: Int

    /// Bytes of one piece.
    var pieceLength: Int { blockSize / vectors }
}

extension Work {
    /// Why it cannot be done on `target`, or `nil`.
    func objection(on target: Target, verifying: Bool) -> String? {
        guard blockSize % vectors == 0 else {
            return "\(blockSize) bytes cannot be cut into \(vectors) equal pieces"
        }
        guard target.range.length >= UInt64(blockSize) else {
            return "the target's \(target.range.length) bytes are less than a block of \(blockSize)"
        }
        let memory = SlotBuffers.footprint(of: self)
        let limit = Host.memoryInBytes / 2
        guard memory <= limit else {
            return "buffers of \(ByteSize.amount(UInt64(memory))) are more than half of the memory"
        }
        return verifying ? objectionToVerifying(on: target) : nil
    }

    private func objectionToVerifying(on target: Target) -> String? {
        guard pieceLength % BlockStamp.headerLength == 0 else {
            return "--verify needs pieces that are multiples of \(BlockStamp.headerLength) bytes, "
                + "and these have \(pieceLength)"
        }
        let blocks = target.verifiedBlocks(of: blockSize)
        // One request a block is in flight at most, or nobody knew what a read should find.
        guard depth <= blocks else {
            return "--verify at depth \(depth) needs as many blocks, and the target has \(blocks)"
        }
        return nil
    }
}
