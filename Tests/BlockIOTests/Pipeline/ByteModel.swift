import Glibc
@testable import TestSupport

/// What an image must hold, byte by byte, and of which bytes nobody can say.
final class ByteModel {
    private let bytes: AlignedBuffer
    /// Bytes of writes that failed or were cancelled, and of discards without a promise.
    private var unknown = RangeSet<Int>()

    /// Random content that has not been given to the image yet.
    init(size: Int, using random: inout SplitMix64) {
        bytes = AlignedBuffer(count: size)
        bytes.fill(using: &random)
    }

    /// The size of the image.
    var size: Int { bytes.count }

    /// All bytes, for laying out the image.
    var content: UnsafeMutableRawBufferPointer { bytes.bytes }

    /// The first `count` bytes of `range` are these now; of the others nothing is known.
    func write(_ source: UnsafeMutableRawBufferPointer, count: Int, of range: Range<Int>) {
        let end = range.lowerBound + count
        memcpy(content.baseAddress! + range.lowerBound, source.baseAddress!, count)
        unknown.remove(contentsOf: range.lowerBound..<end)
        unknown.insert(contentsOf: end..<range.upperBound)
    }

    /// The first `count` bytes of `range` are zeroes now; of the others nothing is known.
    func zero(_ range: Range<Int>, count: Int) {
        let end = range.lowerBound + count
        memset(content.baseAddress! + range.lowerBound, 0, count)
        unknown.remove(contentsOf: range.lowerBound..<end)
        unknown.insert(contentsOf: end..<range.upperBound)
    }

    /// These bytes may be anything.
    func forget(_ range: Range<Int>) {
        unknown.insert(contentsOf: range)
    }

    /// Where, in the image, `found` first differs from what is known of `range`.
    func mismatch(_ found: UnsafeMutableRawBufferPointer, in range: Range<Int>) -> Int? {
        for known in RangeSet(range).subtracting(unknown).ranges {
            let here = found.baseAddress! + (known.lowerBound - range.lowerBound)
            if memcmp(here, content.baseAddress! + known.lowerBound, known.count) == 0 { continue }
            return known.first { found[$0 - range.lowerBound] != content[$0] }
        }
        return nil
    }
}

extension ScatterList {
    /// The bytes of the pieces, in the order of the list.
    func gathered() -> AlignedBuffer {
        let result = AlignedBuffer(count: total)
        var done = 0
        for element in vectors where element.iov_len > 0 {
            memcpy(result.bytes.baseAddress! + done, element.iov_base, element.iov_len)
            done += element.iov_len
        }
        return result
    }
}
