import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Lists that are made to be much work, to a device that writes.
final class HostileGuestListTests: XCTestCase {
    private static let pages = 1 << 16

    /// Pages whose addresses meet in any table that is indexed with a multiple of them: the overlap
    /// filter gives up and looks in another way, with the same result.
    func testAddressesThatMeetInTheFilter() throws {
        let ram = try GuestRAM(size: Self.pages * 4096)
        let space = try AddressSpace()
        try space.map(.ram(ram), at: 0)
        let mapper = try DMAMapper(space)
        let base = UInt32(truncatingIfNeeded: UInt(bitPattern: ram.base) >> 12)
        // The filter's hash, so that they fall into as few of its slots as can be.
        let order = (0..<UInt32(Self.pages)).map { page -> (slot: UInt32, page: UInt64) in
            (((base &+ page) | 1 << 31) &* 0x9E37_79B1, UInt64(page))
        }.sorted { $0.slot < $1.slot }
        let chosen = order.prefix(2048).map(\.page)
        let list = ScatterGatherList(chosen.map { (GuestAddress($0) * 4096, 4096) })
        let mapping = try mapper.map(list, .fromDevice)
        XCTAssertEqual(
            mapping.vectors.map { ($0.iov_base! - ram.base) / 4096 }, chosen.map(Int.init))
        try mapping.unmap()
        XCTAssertEqual(mapper.statistics.bouncedBytes, 0)
    }

    /// Everything overlaps something: the last element has each byte.
    func testChainsOfOverlaps() throws {
        let guest = try Guest()
        let count = 600
        var random = SplitMix64(seed: Seed.value)
        let order = Array(0..<count).shuffled(using: &random)
        // Each of 600 bytes, 300 behind the one before.
        let list = ScatterGatherList(order.map { (GuestAddress($0) * 300 + 7, 600) })
        var expected = guest.ram.bytes(0..<guest.ram.size)
        var device = MemoryDevice(pattern(count * 600, seed: 4))
        for (index, place) in order.enumerated() {
            let start = place * 300 + 7
            expected.replaceSubrange(
                start..<start + 600, with: device.medium[index * 600..<(index + 1) * 600])
        }
        let mapper = try DMAMapper(guest.space)
        XCTAssertEqual(
            device.carryOut(list, .fromDevice, on: mapper)?.outcome, .success,
            "BLOCKIO_SEED=\(Seed.text)")
        assertBytes(
            guest.ram.bytes(0..<guest.ram.size), expected, "BLOCKIO_SEED=\(Seed.text)")
        XCTAssertEqual(guest.takeDirty()[0], Array(0...(count * 300 + 306) / 4096))
    }
}
