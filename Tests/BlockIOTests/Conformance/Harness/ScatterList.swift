import Glibc
@testable import TestSupport

/// A list of pieces in shuffled order at scattered addresses, with guard bytes between them.
final class ScatterList {
    private struct Piece {
        let place: Int
        let length: Int
    }

    private let buffer: AlignedBuffer
    private let memoryAlignment: Int
    private let list: UnsafeMutableBufferPointer<iovec>
    private var pieces: [Piece] = []
    /// Behind the last piece.
    private var end = 0

    /// Room for up to `pieces` pieces of `bytes` bytes together, each address a multiple of
    /// `memoryAlignment`.
    init(pieces: Int, bytes: Int, memoryAlignment: Int) {
        self.memoryAlignment = memoryAlignment
        let gap = Self.largestGap + 2 * memoryAlignment
        buffer = AlignedBuffer(count: bytes + (pieces + 1) * gap)
        list = .allocate(capacity: pieces)
        list.initialize(repeating: iovec())
    }

    deinit {
        list.deallocate()
    }

    private static let largestGap = 128
    /// How far behind the last piece there are guard bytes to be looked at.
    private static let margin = 1 << 16

    /// The list, to be given to a queue.
    var vectors: UnsafeBufferPointer<iovec> {
        UnsafeBufferPointer(rebasing: list[..<pieces.count])
    }

    /// The sum of the lengths.
    var total: Int {
        pieces.reduce(0) { $0 + $1.length }
    }

    /// Makes new pieces of these lengths, and guard bytes of everything.
    func layOut(_ lengths: [Int], using random: inout SplitMix64) {
        memset(buffer.bytes.baseAddress!, CInt(AlignedBuffer.guardByte), end)
        var order = Array(lengths.indices)
        order.shuffle(using: &random)
        pieces = [Piece](repeating: Piece(place: 0, length: 0), count: lengths.count)
        var place = 0
        for index in order {
            place += random.number(1...Self.largestGap) + memoryAlignment - 1
            place -= place % memoryAlignment
            let length = lengths[index]
            pieces[index] = Piece(place: place, length: length)
            list[index] = iovec(iov_base: buffer.bytes.baseAddress! + place, iov_len: length)
            place += length
        }
        end = place
    }

    /// Fills the pieces, in the order of the list, from consecutive bytes.
    func gather(from source: UnsafeMutableRawBufferPointer) {
        var done = 0
        for piece in pieces {
            let place = buffer.bytes.baseAddress! + piece.place
            memcpy(place, source.baseAddress! + done, piece.length)
            done += piece.length
        }
    }

    /// Whether the pieces, in the order of the list, hold these consecutive bytes.
    func holds(_ expected: UnsafeMutableRawBufferPointer) -> Bool {
        var done = 0
        for piece in pieces {
            let at = expected.baseAddress! + done
            guard memcmp(buffer.bytes.baseAddress! + piece.place, at, piece.length) == 0 else {
                return false
            }
            done += piece.length
        }
        return done == expected.count
    }

    /// Whether the bytes between, before and behind the pieces are what they were.
    var guardsAreIntact: Bool {
        var end = 0
        for piece in pieces.sorted(by: { $0.place < $1.place }) {
            let gap = UnsafeRawBufferPointer(rebasing: buffer.bytes[end..<piece.place])
            guard GuardBytes.fill(gap) else { return false }
            end = piece.place + piece.length
        }
        let margin = min(Self.margin, buffer.count - end)
        let rest = UnsafeRawBufferPointer(buffer.slice(end, margin))
        return GuardBytes.fill(rest) && buffer.guardsAreIntact
    }
}
