import Glibc
import GuestMemory
import XCTest

@testable import TestSupport

/// Random maps, lists, directions, caps and failures against a byte-by-byte reference, with a
/// device that is an array.
final class MapperTransferTests: RandomTestCase {
    func testEveryModeMovesTheSameBytes() throws {
        try forEachCase(80) { random in
            let model = try ModelSpace(
                hasDevices: random.number(0...3) > 0, bounceLimit: 1 << random.number(16...20),
                using: &random)
            for _ in 0..<2 {
                let list = model.list(
                    limit: 60_000, wholeSectors: random.number(0...1) == 0, using: &random)
                for direction in [DMADirection.toDevice, .fromDevice] {
                    let seed = random.next()
                    for mode in TransferMode.all {
                        var random = SplitMix64(seed: seed)
                        try check(model, list, direction, mode, &random)
                    }
                }
            }
        }
    }

    private func check(
        _ model: ModelSpace, _ elements: [(GuestAddress, UInt64)], _ direction: DMADirection,
        _ mode: TransferMode, _ random: inout SplitMix64
    ) throws {
        let what = "\(mode), \(direction), \(elements)"
        let total = Int(elements.reduce(0) { $0 + $1.1 })
        let mapper = try DMAMapper(model.space, options: mode.options)
        let wire = AlignedBuffer(count: total)
        wire.fill(using: &random)
        var device = MemoryDevice(Array(wire.bytes))
        let unit = [1, 512, 4096][random.number(0...2)]
        if random.number(0...4) == 0 { device.failsAt = UInt64(random.number(0...total)) }
        model.restore()
        let isRefusing = random.number(0...5) == 0
        if isRefusing { model.refuseSomewhere(using: &random) }
        defer { model.refuseNothing() }

        let result = device.carryOut(
            ScatterGatherList(elements.map { ($0.0, $0.1) }), direction, on: mapper,
            alignment: total % mode.alignment == 0 ? mode.alignment : 1, unit: unit)
        XCTAssertEqual(mapper.statistics.active, 0, what)
        XCTAssertEqual(model.space.bouncePool.available, model.space.bouncePool.size, what)

        if let (code, address) = model.fault(in: elements) {
            guard case .fault(let error) = result?.outcome else {
                return XCTFail("\(result as Any) in spite of \(code), \(what)")
            }
            XCTAssertEqual(error.code, code, what)
            XCTAssertEqual(error.address, address, what)
            XCTAssertTrue(device.pieces.isEmpty, what)
            return XCTAssertNil(model.difference(), what)
        }
        if direction == .fromDevice { model.move(elements, .fromDevice, wire: wire.bytes) }
        switch result?.outcome {
        case .success:
            XCTAssertEqual(result?.transferred, UInt64(total), what)
            XCTAssertNil(device.failsAt.flatMap { $0 < UInt64(total) ? $0 : nil }, what)
            if direction == .toDevice { model.move(elements, .toDevice, wire: wire.bytes) }
            assertBytes(device.medium, Array(wire.bytes), what)
            XCTAssertNil(model.difference(), what)
        case .deviceFailed:
            XCTAssertEqual(result?.transferred, device.failsAt, what)
            XCTAssertNil(failure(of: model, direction, result?.transferred ?? 0), what)
        case .fault(let error):
            XCTAssertTrue(isRefusing, what)
            XCTAssertEqual(error.code, .deviceRefused, what)
            XCTAssertLessThanOrEqual(
                result?.transferred ?? 0, device.pieces.last.map { $0.offset + $0.length } ?? 0,
                what)
            XCTAssertNil(failure(of: model, direction, result?.transferred ?? 0), what)
        default: XCTFail("\(result as Any), \(what)")
        }
    }

    private func failure(
        of model: ModelSpace, _ direction: DMADirection, _ certain: UInt64
    ) -> String? {
        // What is only read does not change, failed or not.
        direction == .toDevice
            ? model.difference() : model.differenceAfterFailure(certain: certain)
    }
}
