import BlockHost
import Glibc

/// A transfer that cannot go to the kernel as it stands: elements that offend the host's alignment,
/// more elements or bytes than one call takes, or the rest after a short transfer.
///
/// It goes in pieces that begin and end on blocks. Within a piece, elements that obey the
/// alignment go as they are; offending neighbours form runs, closed to whole blocks, and each run
/// passes through one extent of a bounce buffer. An element offends by its address, its length or
/// its position (statx(2), STATX_DIOALIGN).
///
/// Usable from inline code for `maximumBytes`, which the fast path compares with.
@usableFromInline
struct PieceTransfer: ~Copyable {
    /// Elements of one preadv2(2): IOV_MAX.
    static let maximumElements = 1024
    /// Bytes of one preadv2(2), read(2) "NOTES": 2 GiB less a page.
    @inlinable static var maximumBytes: Int { 0x7fff_f000 }

    private let isWrite: Bool
    private let elements: Elements
    /// First byte in the image, and the byte behind the last that goes this way.
    private let offset: UInt64
    let end: UInt64
    private let memoryMask: UInt
    private let block: UInt64
    private let bounceLimit: Int

    // Where the next piece begins.
    private var cursor = ListCursor()
    private(set) var position: UInt64

    // The piece that is under way.
    private let list: IOVectorStorage
    private var bounce: AlignedMemory?
    private var extents: [Extent] = []
    private(set) var pieceStart: UInt64 = 0
    private(set) var pieceEnd: UInt64 = 0

    /// The blocks around the first and the last byte of a write, as they are on the medium.
    private var head: AlignedMemory?
    private var tail: AlignedMemory?

    /// Bytes of the caller that pass through the bounce buffer.
    private struct Extent {
        let memory: IOVector
        let bounceOffset: Int
        let position: UInt64
    }

    /// What is transferred, in elements.
    private enum Elements {
        case list(IOVectorList)
        /// So many bytes of zeroes, the same block of them again and again. They need no list, which for a
        /// large image would be larger than memory.
        case zeroes(UInt64)

        var count: Int {
            switch self {
            case .list(let vectors): vectors.count
            case .zeroes(let bytes):
                Int((bytes + (UInt64(ZeroBlock.byteCount) - 1)) / UInt64(ZeroBlock.byteCount))
            }
        }

        subscript(index: Int) -> IOVector {
            switch self {
            case .list(let vectors): return vectors[index]
            case .zeroes(let bytes):
                let left = bytes - UInt64(index) * UInt64(ZeroBlock.byteCount)
                return ZeroBlock.shared.vector(Int(Swift.min(left, UInt64(ZeroBlock.byteCount))))
            }
        }
    }

    /// What a piece cost.
    struct Plan {
        var submission: EngineSubmission
        var direct: UInt64
        var bounced: UInt64
    }

    /// The rest of a request, from the byte where it stands now up to `end`.
    init(_ request: RequestPointer, alignment: HostAlignment, bounceLimit: Int, end: UInt64) {
        isWrite = request.pointee.operation != .read
        elements =
            request.pointee.rangeWay == .buffers
            ? .zeroes(request.pointee.length)
            : .list(request.pointee.vectors)
        offset = request.pointee.offset + request.pointee.moved
        self.end = end
        position = offset
        memoryMask = UInt(alignment.memory - 1)
        block = UInt64(alignment.offset)
        // A bounce buffer below one block could move nothing.
        self.bounceLimit = Swift.max(bounceLimit & ~(alignment.offset - 1), alignment.offset)
        // One for each of the caller's, and one for what is before the first in its block.
        list = IOVectorStorage(capacity: Swift.min(elements.count + 2, Self.maximumElements))
        skipElements(request.pointee.moved)
    }

    // The engine has answered the last submission of the list.
    deinit { unsafe list.deallocate() }

    private func floor(_ value: UInt64) -> UInt64 { value & ~(block - 1) }
    private func ceiling(_ value: UInt64) -> UInt64 { floor(value &+ block &- 1) }

    var isDone: Bool { position >= end }

    // MARK: Blocks around a write

    /// The block to read before a write may begin, in the middle of a block; `nil` when it begins
    /// on one.
    mutating func planHead() -> EngineSubmission? {
        guard isWrite, offset != floor(offset) else { return nil }
        let memory = blockMemory()
        head = memory
        return readSubmission(memory, at: floor(offset))
    }

    /// The same for the end, unless it is in the block that `planHead` reads.
    mutating func planTail() -> EngineSubmission? {
        guard isWrite, end != floor(end) else { return nil }
        if offset != floor(offset) && floor(offset) == floor(end) { return nil }
        let memory = blockMemory()
        tail = memory
        return readSubmission(memory, at: floor(end))
    }

    private func blockMemory() -> AlignedMemory {
        AlignedMemory(byteCount: Int(block), alignment: Int(memoryMask) + 1)
    }

    private func readSubmission(_ memory: AlignedMemory, at place: UInt64)
        -> EngineSubmission
    {
        list.set(0, to: memory.vector(at: 0, Int(block)))
        return EngineSubmission(kind: .read, list: list.list(1), position: place, length: block)
    }

    // MARK: Pieces

    /// Lays out the next piece, and for a write fills its bounce extents; `nil` when memory of the
    /// caller's has gone.
    mutating func planPiece() -> Plan? {
        extents.removeAll(keepingCapacity: true)
        pieceStart = floor(position)
        var layout = Layout(at: pieceStart)
        let pad = Int(position - pieceStart)
        if pad > 0 {
            layout.openRun()
            layout.bounced = pad
            layout.position += UInt64(pad)
        }
        collectElements(&layout)
        closePiece(&layout)

        if layout.bounced > 0 {
            let memory = bounceMemory(layout.bounced)
            for run in layout.runs {
                list.set(run.index, to: memory.vector(at: run.bounceOffset, run.count))
            }
            if isWrite && !fill(memory, pad: pad, span: layout.bounced) { return nil }
        }
        let span = layout.position - pieceStart
        return Plan(
            submission: EngineSubmission(
                kind: isWrite ? .write : .read, list: list.list(layout.count),
                position: pieceStart, length: span),
            direct: span - UInt64(layout.bounced), bounced: UInt64(layout.bounced))
    }

    /// A piece while it is laid out.
    private struct Layout {
        /// Elements of the list.
        var count = 0
        /// Bytes of bounce buffer.
        var bounced = 0
        /// Where the next element goes in the image.
        var position: UInt64
        var runs: [Run] = []
        private(set) var isInRun = false

        struct Run {
            let index: Int
            let bounceOffset: Int
            var count: Int
        }

        init(at position: UInt64) { self.position = position }

        mutating func openRun() {
            if isInRun { return }
            isInRun = true
            runs.append(Run(index: count, bounceOffset: bounced, count: 0))
            count += 1
        }

        mutating func closeRun() {
            guard isInRun, let last = runs.last else { return }
            isInRun = false
            runs[runs.count - 1].count = bounced - last.bounceOffset
        }
    }

    private mutating func collectElements(_ layout: inout Layout) {
        var index = cursor.element
        var skip = cursor.skipped
        let count = elements.count
        while index < count, layout.position < end {
            let vector = elements[index]
            let rest = Swift.min(vector.length - skip, Int(clamping: end - layout.position))
            guard rest > 0, vector.address != 0 else {
                index += 1
                skip = 0
                continue
            }
            let room = Self.maximumBytes - Int(layout.position - pieceStart)
            let isAligned = layout.position == floor(layout.position)
            let start = vector.address &+ UInt(bitPattern: skip)
            let offends = start & memoryMask != 0 || UInt64(rest) & (block - 1) != 0 || !isAligned
            let taken: Int
            if offends {
                taken = Swift.min(rest, room, bounceLimit - layout.bounced)
                if taken == 0 || (!layout.isInRun && layout.count == Self.maximumElements) { break }
                layout.openRun()
                extents.append(
                    Extent(
                        memory: vector.part(skip..<skip + taken), bounceOffset: layout.bounced,
                        position: layout.position))
                layout.bounced += taken
            } else {
                layout.closeRun()
                taken = Swift.min(rest, room & ~Int(block - 1))
                if taken == 0 || layout.count == Self.maximumElements { break }
                list.set(layout.count, to: vector.part(skip..<skip + taken))
                layout.count += 1
            }
            layout.position += UInt64(taken)
            skip += taken
        }
    }

    /// Ends the piece on a block: at the end of the request with padding, elsewhere by giving back
    /// what is beyond the last whole block (which can only be bounced).
    private mutating func closePiece(_ layout: inout Layout) {
        if layout.position == end {
            pieceEnd = end
            let padding = Int(ceiling(end) - end)
            layout.bounced += padding
            layout.position += UInt64(padding)
        } else {
            let excess = Int(layout.position - floor(layout.position))
            layout.bounced -= excess
            layout.position -= UInt64(excess)
            pieceEnd = layout.position
            while let last = extents.last, last.bounceOffset + last.memory.length > layout.bounced {
                extents.removeLast()
                let kept = layout.bounced - last.bounceOffset
                if kept > 0 {
                    extents.append(
                        Extent(
                            memory: last.memory.part(0..<kept), bounceOffset: last.bounceOffset,
                            position: last.position))
                }
            }
        }
        layout.closeRun()
    }

    /// The bounce buffer, with room for `count` bytes.
    private mutating func bounceMemory(_ count: Int) -> AlignedMemory {
        if let bounce, bounce.count >= count { return bounce }
        let memory = AlignedMemory(byteCount: count, alignment: Int(memoryMask) + 1)
        bounce = memory
        return memory
    }

    /// Fills the bounce buffer of a write: `span` bytes, the first `pad` of them from the block around the
    /// first byte. False when some of the caller's memory, which may be a guest's, has gone.
    private func fill(_ target: AlignedMemory, pad: Int, span: Int) -> Bool {
        if pad > 0, let head { target.copy(pad, from: head, at: 0, to: 0) }
        for extent in extents {
            if !target.copy(from: extent.memory, to: extent.bounceOffset) { return false }
        }
        let padding = pieceEnd == end ? Int(ceiling(end) - end) : 0
        if padding > 0, let source = tail ?? head {
            target.copy(padding, from: source, at: Int(block) - padding, to: span - padding)
        }
        return true
    }

    /// Takes the kernel's answer to a piece: copies what was read out of the bounce buffer and
    /// moves on. Returns the bytes of progress; 0 when not even a block was moved, `nil` when memory of
    /// the caller's has gone.
    mutating func advance(_ result: Int64) -> UInt64? {
        var reached = Swift.min(pieceStart + UInt64(result), pieceEnd)
        // The next piece begins on a block again, unless there is none.
        if reached < end { reached = floor(reached) }
        guard reached > position else { return 0 }
        if !isWrite, let bounce {
            for extent in extents where extent.position < reached {
                let count = Swift.min(extent.memory.length, Int(reached - extent.position))
                let target = extent.memory.part(0..<count)
                guard bounce.copy(to: target, from: extent.bounceOffset) else { return nil }
            }
        }
        let progress = reached - position
        position = reached
        skipElements(progress)
        return progress
    }

    private mutating func skipElements(_ bytes: UInt64) {
        let elements = elements
        cursor.advance(bytes, elements: elements.count) { elements[$0].length }
    }

    // MARK: Bytes behind the last whole block

    /// The rest of a write, which a buffered descriptor takes: a direct one could only write the
    /// whole block, and make the file longer.
    mutating func planBufferedRest() -> EngineSubmission {
        var count = 0
        var length = 0
        var skip = cursor.skipped
        for index in cursor.element..<elements.count where count < Self.maximumElements {
            let vector = elements[index]
            let rest = vector.length - skip
            if rest > 0 {
                list.set(count, to: vector.part(skip..<vector.length))
                length += rest
                count += 1
            }
            skip = 0
        }
        return EngineSubmission(
            kind: .bufferedWrite, list: list.list(count),
            position: position, length: UInt64(length))
    }

    /// Moves on by what the buffered descriptor took.
    mutating func advanceBuffered(_ bytes: UInt64) {
        position += bytes
        skipElements(bytes)
    }
}
