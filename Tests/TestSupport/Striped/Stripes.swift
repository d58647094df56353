import BlockIO
import Glibc

/// The storage of an image that is striped over two files: chunks of ``chunk`` bytes that lie in one file
/// or the other, in no particular order, and a map in the second file that says where each is.
///
/// The first 8 bytes of the second file are the size of the image. At ``mapStart`` is the map, 8 bytes for
/// each chunk, see ``Entry``; then come its chunks. All numbers are little-endian.
final class Stripes: Sendable {
    /// Bytes of a chunk: a multiple of 512, and of nothing larger, so that chunks begin and end inside the
    /// blocks of the host.
    static let chunk = 13 * 512
    /// Where the map begins: behind every position of the first file of a small image, so that a rule about
    /// positions can be about one file.
    static let mapStart = 8 << 20

    /// Where a chunk is.
    struct Entry: Equatable {
        /// Index of the file, and the byte there.
        var file: Int
        var position: Int

        init(file: Int, position: Int) {
            self.file = file
            self.position = position
        }

        /// What the map says of a chunk that is nowhere: it reads as zeroes.
        static let nowhere: UInt64 = 0

        /// The lowest 8 bits are the file, counted from 1; the others are the position.
        init(bits: UInt64) {
            file = Int(bits & 0xff) - 1
            position = Int(bits >> 8)
        }

        var bits: UInt64 { UInt64(position) << 8 | UInt64(file + 1) }
    }

    /// The file that the image is opened with.
    let path: String
    /// The file with the map.
    let partner: StorageTarget
    /// The image's size in bytes, when it was made.
    let size: Int
    /// Where the chunks are.
    let entries: [Entry]
    /// Where the chunks of the second file begin.
    let dataStart: Int

    /// Makes a map for an image as large as `target`, whose content becomes whatever is in its files.
    init(on target: StorageTarget) throws {
        path = target.path
        size = target.size
        let count = (size + Self.chunk - 1) / Self.chunk
        dataStart = (Self.mapStart + 8 * count + 4095) & ~4095
        partner = try StorageTarget.make(.tmpfsFile, size: (dataStart + size / 2 + 65536) & ~4095)
        var random = SplitMix64(seed: 0x57)
        var places = [Array(0..<(count + 1) / 2), Array(0..<count / 2)]
        for file in 0..<2 {
            for index in places[file].indices.reversed() {
                places[file].swapAt(index, random.number(0...index))
            }
        }
        let dataStart = dataStart
        entries = (0..<count).map { index in
            let place = places[index % 2][index / 2] * Self.chunk
            return Entry(file: index % 2, position: place + (index % 2 == 0 ? 0 : dataStart))
        }
        try writeMap()
    }

    /// Writes header and map anew, as they were.
    func writeMap() throws {
        try writeSize(size)
        for (index, entry) in entries.enumerated() { try write(entry.bits, of: index) }
    }

    /// Writes what the map says of a chunk.
    func write(_ bits: UInt64, of index: Int) throws {
        try write(bits, at: Self.mapStart + 8 * index)
    }

    private func writeSize(_ size: Int) throws { try write(UInt64(size), at: 0) }

    private func write(_ number: UInt64, at offset: Int) throws {
        var bytes = number.littleEndian
        try withUnsafeMutableBytes(of: &bytes) {
            try PlainFile(partner.path, direct: false).write($0, at: offset)
        }
    }

    /// For ``OpenOptions/format``. The second file is opened with the other caching than the first.
    var format: OpenOptions.Format {
        let path = partner.path
        return OpenOptions.Format(name: "striped") { (active, options) throws(BlockError) in
            try StripedFormat(active, path, options)
        }
    }

    /// Removes the second file.
    func close() { partner.close() }
}
