import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// The map against a byte-by-byte reference: each address asks all regions.
final class FlatteningModelTests: RandomTestCase {
    private struct Painted {
        let mapped: MappedRegion
        let order: Int
        /// What a byte of it reads as, by the offset in it; `nil` for a hole.
        let content: [UInt8]?
    }

    func testEveryAddressShowsTheRegionThatMattersMost() throws {
        let window = 3000
        try forEachCase(15) { random in
            let base: GuestAddress =
                [0, 0 &- UInt64(window), GuestAddress(random.next() >> 1)][random.number(0...2)]
            let space = try AddressSpace()
            var regions: [Painted] = []
            for order in 0..<random.number(1...14) {
                let start = random.number(0...window - 1)
                let length = random.number(
                    1...Swift.min(window - start, [9, 700, 4096][order % 3]))
                let (region, content) = try region(length, &random)
                let mapped = try space.map(
                    region, at: base &+ UInt64(start), priority: random.number(-1...2))
                regions.append(Painted(mapped: mapped, order: order, content: content))
            }
            try compare(space, regions, base, window)
            while !regions.isEmpty {
                for _ in 0..<Swift.min(3, regions.count) {
                    try space.unmap(
                        regions.remove(at: random.number(0...regions.count - 1)).mapped)
                }
                try compare(space, regions, base, window)
            }
        }
    }

    private func region(
        _ length: Int, _ random: inout SplitMix64
    ) throws -> (MemoryRegion, [UInt8]?) {
        let ram = try GuestRAM(size: 8192)
        let content = pattern(8192, seed: random.number(0...1 << 20))
        ram.put(content)
        let offset = random.number(0...4096)
        let shown = Array(content[offset..<offset + length])
        switch random.number(0...4) {
        case 0: return (.ram(ram, offset: offset, size: length), shown)
        case 1: return (.rom(ram, offset: offset, size: length), shown)
        case 2:
            let device = ByteStore(size: length)
            return (.romDevice(ram, offset: offset, size: length, device: device), shown)
        case 3:
            let device = ByteStore(size: length, keepsAccesses: false)
            device.bytes = shown
            return (.mmio(device, size: UInt64(length)), shown)
        default: return (.hole(size: UInt64(length)), nil)
        }
    }

    private func compare(
        _ space: AddressSpace, _ regions: [Painted], _ base: GuestAddress, _ window: Int
    ) throws {
        for place in 0..<window {
            let address = base &+ UInt64(place)
            let top = regions.filter {
                address >= $0.mapped.base
                    && address.offset(from: $0.mapped.base) < $0.mapped.region.size
            }.max { ($0.mapped.priority, $0.order) < ($1.mapped.priority, $1.order) }
            let expected = top.flatMap { top in
                top.content.map { $0[Int(address.offset(from: top.mapped.base))] }
            }
            let found = try? space.load(at: address, as: UInt8.self)
            guard found == expected else {
                return XCTFail(
                    "\(place) of the window reads \(found as Any), not \(expected as Any)")
            }
        }
    }
}
