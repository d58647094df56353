import BlockIOTesting

/// The bytes of an image, read and written by pread(2) and pwrite(2) wherever they are, or in memory.
struct PlainImage {
    private let files: [PlainFile]
    /// `nil` for a raw image.
    private let stripes: Stripes?
    /// `nil` for an image in files.
    private let disk: VolatileDisk?

    /// A raw image.
    init(_ path: String, direct: Bool) throws {
        files = [try PlainFile(path, direct: direct)]
        stripes = nil
        disk = nil
    }

    /// A striped image.
    init(_ stripes: Stripes) throws {
        files = try [stripes.path, stripes.partner.path].map { try PlainFile($0, direct: false) }
        self.stripes = stripes
        disk = nil
    }

    /// A disk in memory.
    init(_ disk: VolatileDisk) {
        files = []
        stripes = nil
        self.disk = disk
    }

    /// A new buffer with `length` bytes from `offset` on.
    func contents(at offset: Int, _ length: Int) throws -> AlignedBuffer {
        let buffer = AlignedBuffer(count: length)
        if let disk {
            disk.visible.withUnsafeBytes {
                buffer.bytes.copyMemory(from: .init(rebasing: $0[offset..<offset + length]))
            }
            return buffer
        }
        try forEachPart(of: buffer.bytes, at: offset) { try $0.read($1, at: $2) }
        return buffer
    }

    /// Writes all of `buffer`.
    func write(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        if let disk { return disk.replace(UnsafeRawBufferPointer(buffer), at: offset) }
        try forEachPart(of: buffer, at: offset) { try $0.write($1, at: $2) }
    }

    /// Takes the pages out of the page cache, as far as the kernel can.
    func dropCache() throws { for file in files { try file.dropCache() } }

    private func forEachPart(
        of buffer: UnsafeMutableRawBufferPointer, at offset: Int,
        _ body: (PlainFile, UnsafeMutableRawBufferPointer, Int) throws -> Void
    ) throws {
        guard let stripes else { return try body(files[0], buffer, offset) }
        var done = 0
        while done < buffer.count {
            let (index, inside) = (offset + done).quotientAndRemainder(dividingBy: Stripes.chunk)
            let count = min(buffer.count - done, Stripes.chunk - inside)
            let entry = stripes.entries[index]
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
            try body(files[entry.file], part, entry.position + inside)
            done += count
        }
    }
}
