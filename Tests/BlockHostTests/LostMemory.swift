import BlockHost
import Glibc
@testable import TestSupport

/// Watched memory of a file that has become shorter.
final class LostMemory {
    let base: UnsafeMutableRawPointer
    let watch: MemoryWatch
    private let pages: UnsafeMutableRawBufferPointer
    private let file: PeerFile

    /// `size` bytes of 0xEE, of which the first `kept` are still there; both are whole pages.
    init(size: Int, kept: Int) throws {
        file = try PeerFile(size: size, fill: 0xEE)
        guard
            let mapped = mmap(
                nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0),
            mapped != MAP_FAILED
        else { throw FixtureError.failed("mmap: \(errno)") }
        pages = UnsafeMutableRawBufferPointer(start: mapped, count: size)
        base = mapped
        guard let watch = MemoryWatch(pages) else {
            munmap(mapped, size)
            throw FixtureError.failed("too much is watched")
        }
        self.watch = watch
        try file.shorten(to: kept)
    }

    deinit {
        watch.stop()
        munmap(base, pages.count)
    }
}
