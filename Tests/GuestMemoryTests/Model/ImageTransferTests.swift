import BlockDMA
import BlockIO
import BlockIOTesting
import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// The same over real images: every engine, direct and buffered, with and without faults of the
/// block layer. BLOCKIO_ROUNDS makes more of it.
final class ImageTransferTests: ConformanceTestCase {
    private static let size = 1 << 20

    private func isWanted(_ configuration: Configuration) -> Bool {
        configuration.threading == .owned && configuration.target != .zram
    }

    func testRandomTransfersOnEveryStorage() throws {
        for round in 0..<Rounds.count {
            try forEachTarget(size: Self.size, where: isWanted) { configuration, target in
                let seed = Seed.value &+ UInt64(round)
                for mode in TransferMode.all {
                    for hasFaults in [false, true] {
                        // The same maps and lists for each.
                        try Run(configuration, target, mode, hasFaults: hasFaults, seed: seed)
                            .check(cases: 4)
                    }
                }
            }
        }
    }

    /// One image, one queue, some maps and lists.
    private final class Run {
        let mode: TransferMode
        let what: String
        let image: BlockImage
        let queue: BlockQueue
        let faults: FaultInjector?
        let plain: PlainFile
        /// What the image must hold.
        let content = AlignedBuffer(count: ImageTransferTests.size)
        var random: SplitMix64

        init(
            _ configuration: Configuration, _ target: StorageTarget, _ mode: TransferMode,
            hasFaults: Bool, seed: UInt64
        ) throws {
            self.mode = mode
            what = "\(mode), faults \(hasFaults)"
            random = SplitMix64(seed: seed)
            content.fill(using: &random)
            plain = try PlainFile(target.path, direct: configuration.caching == .direct)
            try plain.write(content.bytes, at: 0)
            image = try configuration.open(target)
            let injector = FaultMix.make(seed: random.next())
            faults = hasFaults ? injector : nil
            queue = try configuration.queue(
                on: image,
                QueueOptions(bounceLimit: mode.queueBounceLimit).checked(with: faults))
        }

        func check(cases: Int) throws {
            for number in 0..<cases {
                let model = try ModelSpace(
                    hasDevices: number % 3 > 0, bounceLimit: 1 << random.number(16...20),
                    using: &random)
                let list = model.list(
                    limit: 40_000, wholeSectors: number % 4 > 0, using: &random)
                for direction in [DMADirection.fromDevice, .toDevice] {
                    try transfer(list, direction, model)
                }
            }
            queue.close { _ in XCTFail("a completion after the last") }
            let found = try plain.contents(at: 0, content.count)
            XCTAssertTrue(sameBytes(found.bytes, content.bytes), "the image, \(what)")
        }

        private func transfer(
            _ elements: [(GuestAddress, UInt64)], _ direction: DMADirection, _ model: ModelSpace
        ) throws {
            let what = "\(self.what), \(direction), \(elements)"
            let total = Int(elements.reduce(0) { $0 + $1.1 })
            let offset = random.number(0...(content.count - total) / 512) * 512
            let mapper = try DMAMapper(model.space, options: mode.options)
            model.restore()
            let result = try queue.carryOut(
                ScatterGatherList(elements.map { ($0.0, $0.1) }), direction, on: mapper,
                at: offset, alignment: total % mode.alignment == 0 ? mode.alignment : 1,
                faults: faults)
            XCTAssertEqual(mapper.statistics.active, 0, what)
            XCTAssertEqual(model.space.bouncePool.available, model.space.bouncePool.size, what)
            if let (code, address) = model.fault(in: elements) {
                guard case .fault(let error) = result.outcome else {
                    return XCTFail("\(result) in spite of \(code), \(what)")
                }
                XCTAssertEqual(error.code, code, what)
                XCTAssertEqual(error.address, address, what)
                return XCTAssertNil(model.difference(), what)
            }
            let place = content.slice(offset, total)
            let wire = AlignedBuffer(count: total)
            memcpy(wire.bytes.baseAddress!, place.baseAddress!, total)
            model.move(elements, direction, wire: wire.bytes)
            switch result.outcome {
            case .success:
                XCTAssertEqual(result.transferred, UInt64(total), what)
                if mode.options.forceBounce {
                    XCTAssertEqual(mapper.statistics.bouncedBytes, UInt64(total), what)
                }
                XCTAssertNil(model.difference(), what)
                memcpy(place.baseAddress!, wire.bytes.baseAddress!, total)
                try compareImage(around: offset..<offset + total, what)
            case .deviceFailed:
                XCTAssertNotNil(faults, what)
                XCTAssertLessThanOrEqual(result.transferred, UInt64(total), what)
                if direction == .fromDevice {
                    XCTAssertNil(
                        model.differenceAfterFailure(certain: result.transferred), what)
                } else {
                    XCTAssertNil(model.difference(), what)
                    try settle(offset, wire, certain: Int(result.transferred), what)
                }
                try compareImage(around: offset..<offset + total, what)
            default: XCTFail("\(result), \(what)")
            }
        }

        /// After a write that failed: each byte is old or new, and the first ones are new. The
        /// model goes on with what there is.
        private func settle(
            _ offset: Int, _ wire: AlignedBuffer, certain: Int, _ what: String
        ) throws {
            let (start, found) = try imageBytes(around: offset..<offset + wire.count)
            for position in 0..<wire.count {
                let byte = found.bytes[offset - start + position]
                let isOld = byte == content.bytes[offset + position] && position >= certain
                guard isOld || byte == wire.bytes[position] else {
                    return XCTFail("byte \(position) of a failed write is \(byte), \(what)")
                }
                content.bytes[offset + position] = byte
            }
        }

        private func compareImage(around range: Range<Int>, _ what: String) throws {
            let (start, found) = try imageBytes(around: range)
            XCTAssertTrue(
                sameBytes(found.bytes, content.slice(start, found.count)), "the image, \(what)")
        }

        /// Whole blocks, with one more before and behind.
        private func imageBytes(around range: Range<Int>) throws -> (Int, AlignedBuffer) {
            let start = Swift.max(0, range.lowerBound / 4096 * 4096 - 4096)
            let end = Swift.min(content.count, (range.upperBound + 8191) / 4096 * 4096)
            return (start, try plain.contents(at: start, end - start))
        }
    }
}
