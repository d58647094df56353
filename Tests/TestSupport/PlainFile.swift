import CTestSupport
import Glibc

/// pread(2) and pwrite(2), the independent witness of what the library did.
///
/// With `direct`, buffers must be aligned as those of ``AlignedBuffer`` are.
struct PlainFile {
    private let descriptor: Descriptor

    /// Opens a file or a device for reading and writing.
    init(_ path: String, direct: Bool) throws {
        let flags = O_RDWR | (direct ? CTS_O_DIRECT : 0)
        descriptor = Descriptor(
            try SystemCall.check(Descriptor.open(path, flags), "open \(path)"))
    }

    /// Reads all of `buffer`.
    func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        try transfer(buffer, at: offset, "pread", pread)
    }

    /// A new buffer with `length` bytes from `offset` on.
    func contents(at offset: Int, _ length: Int) throws -> AlignedBuffer {
        let buffer = AlignedBuffer(count: length)
        try read(buffer.bytes, at: offset)
        return buffer
    }

    /// Writes all of `buffer`.
    func write(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        try transfer(buffer, at: offset, "pwrite") { pwrite($0, $1, $2, $3) }
    }

    /// Takes the file's pages out of the page cache, as far as the kernel can.
    func dropCache() throws {
        try SystemCall.check(SystemCall.result(fdatasync(descriptor.raw)), "fdatasync")
        try SystemCall.check(
            -posix_fadvise(descriptor.raw, 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise")
    }

    private func transfer(
        _ buffer: UnsafeMutableRawBufferPointer, at offset: Int, _ name: String,
        _ call: (CInt, UnsafeMutableRawPointer?, Int, Int) -> Int
    ) throws {
        var done = 0
        while done < buffer.count {
            let moved = call(
                descriptor.raw, buffer.baseAddress! + done, buffer.count - done, offset + done)
            if moved < 0, errno == EINTR { continue }
            guard moved > 0 else {
                throw FixtureError.failed("\(name) at \(offset + done): \(moved), errno \(errno)")
            }
            done += moved
        }
    }
}
