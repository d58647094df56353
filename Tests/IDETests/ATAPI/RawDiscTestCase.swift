import BlockATA
import BlockDMA
import BlockIO
import Glibc
import IDE
import XCTest
@testable import TestSupport

/// Tests with discs whose image has whole sectors of 2352 bytes: such images, and machines that have them.
class RawDiscTestCase: CDTestCase {
    let engines = MachineConfiguration.engines
    let slot = IDESlot.primaryMaster

    /// Sectors of noise with synchronisation and header; the address is that of the sector.
    func sectors(_ count: Int, mode: UInt8, first: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count * 2352)
        var state: UInt64 = 0x9e37_79b9_7f4a_7c15
        for number in 0..<count {
            let frames = first + number + 150
            bytes += [0] + [UInt8](repeating: 0xFF, count: 10) + [0]
            bytes += [frames / 4500, frames / 75 % 60, frames % 75].map {
                UInt8($0 / 10 * 16 + $0 % 10)
            }
            bytes.append(mode)
            for _ in 0..<2336 / 8 {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                withUnsafeBytes(of: state) { bytes.append(contentsOf: $0) }
            }
        }
        return bytes
    }

    func image(_ content: [UInt8], size: Int? = nil) throws -> TemporaryImage {
        try TemporaryImage(size: size ?? content.count, content: content)
    }

    /// Part of each of `count` sectors from number `first` on.
    func part(
        _ raw: [UInt8], _ range: Range<Int>, from first: Int, count: Int
    ) -> [UInt8] {
        (first..<first + count).flatMap {
            raw[$0 * 2352 + range.lowerBound..<$0 * 2352 + range.upperBound]
        }
    }

    func forEach(
        _ path: String, _ options: CDROMOptions = CDROMOptions(),
        over configurations: [MachineConfiguration]? = nil, line: UInt = #line,
        _ body: (TestMachine) throws -> Void
    ) throws {
        try compare(
            over: configurations ?? engines, line: line,
            with: { configuration in
                let machine = try TestMachine(configuration)
                try machine.attachCD(path, options)
                return machine
            }, body)
    }

    func table(_ count: Int, sizes: [Int]) -> [(address: UInt32, size: Int)] {
        var entries: [(address: UInt32, size: Int)] = []
        var place = 0
        while place < count {
            let size = min(sizes[entries.count % sizes.count], count - place)
            entries.append((TestMachine.data + UInt32(place), size))
            place += size
        }
        return entries
    }
}
