import BlockIO
import Glibc
import SystemPackage

/// What the disk of docs/dma.md does for a guest that uses it, and for one that means harm. Throws or says
/// what is not as it should be; `nil` when all is.
func checkDoorbellDisk() throws -> String? {
    let path = FilePath("/tmp/importer-doorbell-\(getpid()).img")
    let file = try FileDescriptor.open(
        path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec],
        permissions: .ownerReadWrite)
    defer { unlink(path.string) }
    try file.closeAfter { try file.resize(to: 1 << 20) }
    let image = try BlockImage.open(path.string, OpenOptions(access: .readWrite))
    let guest = try DoorbellGuest(BlockQueue(image, QueueOptions(threading: .shared)))
    guest.ram.dirtyLog.start(.migration)
    func dirty() -> [Int] {
        var pages: [Int] = []
        guest.ram.dirtyLog.take(.migration) { pages += $0 }
        return pages
    }

    // Two commands at a time, each of two stretches; then all of it back to other places.
    for tag in 0..<2 { memset(guest.ram.base + 0x10000 * (tag + 1), CInt(0x41 + tag), 8192) }
    var ended: UInt32 = 0
    for (verb, distance) in [(UInt32(2), UInt64(0)), (1, 0x8000)] {
        ended = 0
        for tag in 0..<2 {
            let first = UInt64(0x10000 * (tag + 1)) + distance
            try guest.ring(
                verb, tag: tag, sector: UInt32(16 * tag), [(first + 512, 7680), (first, 512)])
        }
        while ended != 3 {
            let (more, failed) = try guest.interrupted()
            if failed != 0 { return "command \(verb) failed: \(failed)" }
            ended |= more
        }
    }
    for tag in 1...2 {
        let place = guest.ram.base + 0x10000 * tag
        if memcmp(place, place + 0x8000, 8192) != 0 { return "not what was written" }
    }
    if dirty() != [0x18, 0x19, 0x28, 0x29] { return "other pages are dirty" }
    try guest.ring(3, tag: 5)
    if try guest.interrupted() != (0x20, 0) { return "the flush failed" }

    // A hostile guest: every command fails, and nothing moves.
    let hole: UInt64 = 0x2000_0000
    let wrong: [(String, [(UInt64, UInt32)])] = [
        ("an address beyond memory", [(hole, 512)]),
        ("half of it beyond memory", [(0x10000, 512), (1 << 20 - 256, 512)]),
        ("an address that wraps", [(0 &- 256, 512)]),
        ("length 0", [(0x10000, 512), (0x10200, 0)]),
        ("no multiple of a sector", [(0x10000, 700)]),
        ("more than the disk has", [(0x10000, 512), (0x10000, 0xFFFF_FE00)]),
        ("the disk's own registers", [(DoorbellGuest.registers.rawValue, 512)]),
        ("no descriptor", []),
    ]
    for (what, stretches) in wrong {
        for verb in UInt32(1)...2 {
            try guest.ring(verb, tag: 1, stretches)
            if try guest.interrupted() != (2, 2) { return "\(what) did not fail" }
        }
    }
    let tables: [(String, UInt64, UInt32)] = [
        ("a table beyond memory", hole, 1), ("a table that wraps", 0 &- 16, 2),
        ("a table half beyond memory", 1 << 20 - 16, 2), ("257 descriptors", 0x10000, 257),
        ("2^32 - 1 descriptors", 0x10000, .max),
    ]
    for (what, table, count) in tables {
        try guest.ring(1, tag: 2, sector: 0, table: table, count: count)
        if try guest.interrupted() != (4, 4) { return "\(what) did not fail" }
    }
    if !dirty().isEmpty { return "a command that failed has moved something" }
    return nil
}
