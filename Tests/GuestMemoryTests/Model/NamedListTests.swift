import BlockDMA
import BlockIO
import BlockIOTesting
import GuestMemory
import XCTest

@testable import TestSupport

/// Lists that have been trouble elsewhere, over every engine and storage.
final class NamedListTests: ConformanceTestCase {
    private func isWanted(_ configuration: Configuration) -> Bool {
        configuration.threading == .owned && configuration.target != .zram
    }

    /// Reads a list in every mode and compares it byte by byte with the image.
    private func check(
        _ elements: [(GuestAddress, UInt64)], file: StaticString = #filePath, line: UInt = #line
    ) throws {
        let size = 4 << 20
        let total = Int(elements.reduce(0) { $0 + $1.1 })
        try forEachTarget(size: size, where: isWanted) { configuration, target in
            var random = SplitMix64(seed: Seed.value)
            let content = AlignedBuffer(count: size)
            content.fill(using: &random)
            try PlainFile(target.path, direct: configuration.caching == .direct)
                .write(content.bytes, at: 0)
            let image = try configuration.open(target)
            for mode in TransferMode.all {
                let queue = try configuration.queue(
                    on: image,
                    QueueOptions(bounceLimit: mode.queueBounceLimit).checked())
                defer { queue.close() }
                let guest = try Guest()
                let mapper = try DMAMapper(guest.space, options: mode.options)
                let result = try queue.carryOut(
                    ScatterGatherList(elements.map { ($0.0, $0.1) }), .fromDevice, on: mapper,
                    at: 512)
                XCTAssertEqual(
                    result, DMAResult(.success, UInt64(total)), "\(mode)", file: file, line: line)
                var position = 512
                for (address, length) in elements {
                    let found = try guest.space.bytes(at: address, count: Int(length))
                    assertBytes(
                        found, Array(content.slice(position, Int(length))),
                        "\(mode), \(length) bytes at \(address)", file: file, line: line)
                    position += Int(length)
                }
            }
        }
    }

    /// Reports success and leaves RAM untouched in an emulator of today.
    func testRegisters4096RAM300Registers212RAM512() throws {
        try check([
            (Guest.registersBase, 4096), (0x1000, 300), (Guest.registersBase + 8192, 212),
            (0x2000, 512),
        ])
    }

    /// Each length at an even and an odd address, in memory and in registers.
    func testElementsOf1And511And513And1023Bytes() throws {
        try check([
            (0x1000, 1), (0x2000, 511), (0x3001, 513), (0x4001, 1023), (0x5003, 511), (0x6001, 1),
            (Guest.registersBase, 1023), (Guest.registersBase + 4096, 513), (0x7000, 1023),
            (0x8000, 513), (Guest.registersBase + 8193, 511), (Guest.registersBase + 16_385, 1),
            (0x9000, 524),
        ])
    }

    func testRAM300And4096And212() throws {
        try check([(0x1000, 300), (0x2000, 4096), (0x4000, 212)])
    }
}
