import CTestSupport
import Glibc

/// A memory file as another process shares it: not sealed, so that it can be made shorter at any time.
final class PeerFile {
    /// memfd_create(2).
    let file: Descriptor
    /// Its size at first, in bytes.
    let size: Int

    /// A file of `size` bytes, all of the same value.
    init(size: Int, fill: UInt8) throws {
        file = Descriptor(try SystemCall.check(cts_memfd(size), "memfd_create"))
        self.size = size
        try write([UInt8](repeating: fill, count: size), at: 0)
    }

    /// The descriptor to map.
    var descriptor: Int32 { file.raw }

    /// Puts bytes into the file, without touching any mapping of it.
    func write(_ bytes: [UInt8], at offset: Int) throws {
        let count = bytes.withUnsafeBytes {
            pwrite(file.raw, $0.baseAddress, $0.count, off_t(offset))
        }
        guard count == bytes.count else { throw FixtureError.failed("pwrite: \(count)") }
    }

    /// Takes away everything from `size` on.
    func shorten(to size: Int) throws {
        try SystemCall.check(SystemCall.result(ftruncate(file.raw, off_t(size))), "ftruncate")
    }

    /// Gives it its first size again: what had been taken away is zeroes now.
    func restore() throws { try shorten(to: size) }
}
