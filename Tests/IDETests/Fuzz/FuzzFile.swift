import BlockIO
import CTestSupport
import Glibc
import IDE
@testable import TestSupport

/// An image, and what it must still have.
final class FuzzFile {
    let path: String
    let size: Int
    private let descriptor: Descriptor
    /// The file as it is, shared with the page cache.
    private let content: UnsafeMutableRawPointer
    private let former: UnsafeMutableRawPointer
    /// For each sector: 1 when it may have been written since the last comparison.
    private var allowed: [UInt8]

    /// It is a disc of raw sectors.
    private let isRaw: Bool

    init(_ path: String, size: Int, isRaw: Bool = false) throws {
        self.path = path
        self.size = size
        self.isRaw = isRaw
        descriptor = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT | O_EXCL), path))
        try SystemCall.check(SystemCall.result(ftruncate(descriptor.raw, size)), "ftruncate")
        let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.raw, 0)
        guard let mapped, mapped != MAP_FAILED else { throw FixtureError.failed("mmap") }
        content = mapped
        former = .allocate(byteCount: size, alignment: 4096)
        allowed = [UInt8](repeating: 0, count: size / 512)
    }

    deinit {
        munmap(content, size)
        former.deallocate()
        unlink(path)
    }

    /// New content, and nothing allowed.
    func fill(_ random: inout SplitMix64) {
        cts_fill(content, size, random.next())
        if isRaw { beginSectors(mode: random.next() & 1 == 0 ? 1 : 2) }
        former.copyMemory(from: content, byteCount: size)
        forbidAll()
    }

    /// Synchronisation and header (ECMA-130 14.1 and 14.2) of the first two sectors of 2352 bytes, which
    /// are looked at; those of all others lie.
    private func beginSectors(mode: UInt8) {
        for sector in 0..<2 {
            let header = [0] + [UInt8](repeating: 0xFF, count: 10) + [0, 0, 2, UInt8(sector), mode]
            UnsafeMutableRawBufferPointer(start: content + 2352 * sector, count: header.count)
                .copyBytes(from: header)
        }
    }

    var sectorCount: UInt64 { UInt64(size / 512) }

    func allow(_ sectors: Range<UInt64>) {
        for sector in sectors.clamped(to: 0..<sectorCount) { allowed[Int(sector)] = 1 }
    }

    func forbidAll() { allowed = [UInt8](repeating: 0, count: allowed.count) }

    /// What has changed that must not have, if anything. Nothing is under way.
    func difference() -> String? {
        var status = stat()
        guard fstat(descriptor.raw, &status) == 0, Int(status.st_size) == size else {
            return "\(path) has another size: \(status.st_size)"
        }
        if memcmp(content, former, size) == 0 { return nil }
        for sector in 0..<allowed.count {
            let place = 512 * sector
            if memcmp(content + place, former + place, 512) == 0 { continue }
            if allowed[sector] == 0 { return "sector \(sector) of \(path) has changed" }
            (former + place).copyMemory(from: content + place, byteCount: 512)
        }
        return nil
    }
}
