import BlockPCI
import GuestMemory
import XCTest

@testable import TestSupport

/// Accesses by chance, of any offset and width, against a model of the function. BLOCKIO_SEED repeats a run,
/// BLOCKIO_ROUNDS makes it longer.
final class FuzzTests: PCITestCase {
    /// The function in as few words as possible: bytes, and what a write does to each.
    private struct Model {
        static let interruptDisable = UInt8(PCICommandBits.interruptDisable >> 8)
        static let io = UInt8(PCICommandBits.io)
        static let memory = UInt8(PCICommandBits.memory)
        static let busMaster = UInt8(PCICommandBits.busMaster)

        var bytes: [UInt8]
        let initial: [UInt8]
        var writable = [UInt8](repeating: 0, count: 256)
        var clearable = [UInt8](repeating: 0, count: 256)
        var isRequested = false

        init(_ table: [(offset: Int, reset: UInt8, ones: UInt8, zeroes: UInt8)]) {
            bytes = [UInt8](repeating: 0, count: 256)
            for entry in table {
                bytes[entry.offset] = entry.reset
                writable[entry.offset] = entry.ones & ~entry.zeroes
                clearable[entry.offset] = entry.reset & ~entry.ones
            }
            // 1 as long as nobody has cleared it: received aborts, and the capability's second byte.
            clearable[PCIOffset.status + 1] = 0x30
            clearable[PCITestCase.capability + 3] = 0xF0
            initial = bytes
        }

        var isDisabled: Bool { bytes[PCIOffset.command + 1] & Self.interruptDisable != 0 }

        func read(_ offset: Int, _ width: Int) -> UInt32 {
            var value: UInt32 = 0
            for byte in 0..<min(max(width, 0), 4) {
                let place = offset &+ byte
                var shown: UInt8 = bytes.indices.contains(place) ? bytes[place] : 0xFF
                if place == PCIOffset.status && isRequested { shown |= PCIStatusBits.interrupt }
                value |= UInt32(shown) << UInt32(8 * byte)
            }
            return value
        }

        mutating func write(_ offset: Int, _ width: Int, _ value: UInt32) {
            for byte in 0..<min(max(width, 0), 4) {
                let place = offset &+ byte
                guard bytes.indices.contains(place) else { continue }
                let written = UInt8(truncatingIfNeeded: value >> UInt32(8 * byte))
                var kept = bytes[place] & ~writable[place] | written & writable[place]
                kept &= ~(written & clearable[place])
                bytes[place] = kept
            }
        }

        /// Where a base address register is, from its bytes; `nil` when it does not answer.
        func base(_ bar: Int, _ kind: PCIBaseAddress?) -> UInt64? {
            guard let kind else { return nil }
            let count: Int
            let enable: UInt8
            switch kind {
            case .io: (count, enable) = (4, Self.io)
            case .memory(_, let is64Bit, _): (count, enable) = (is64Bit ? 8 : 4, Self.memory)
            }
            var base: UInt64 = 0
            for byte in (0..<count).reversed() {
                base = base << 8 | UInt64(bytes[PCIOffset.firstBAR + 4 * bar + byte])
            }
            base = base / UInt64(kind.size) * UInt64(kind.size)
            if enable == Self.io && base > 0xFFFF { return nil }
            return base == 0 || bytes[PCIOffset.command] & enable == 0 ? nil : base
        }
    }

    private var generator = SplitMix64(seed: Seed.value)

    private func offset() -> Int {
        switch generator.number(0...9) {
        case 0: Int(truncatingIfNeeded: generator.next())
        case 1: generator.number(-8...8)
        case 2: generator.number(250...4100)
        default: generator.number(0...255)
        }
    }

    private func width() -> Int {
        generator.number(0...9) == 0
            ? Int(truncatingIfNeeded: generator.next()) : [0, 1, 2, 3, 4][generator.number(0...4)]
    }

    private func value() -> UInt32 {
        switch generator.number(0...3) {
        case 0: 0
        case 1: .max
        default: UInt32(truncatingIfNeeded: generator.next())
        }
    }

    func testAnyAccess() {
        var model = Model(Self.bytes)
        for round in 0..<100_000 * Rounds.count {
            let (offset, width, value) = (offset(), width(), value())
            let bar = generator.number(-1...6)
            switch generator.number(0...11) {
            case 0...3:
                XCTAssertEqual(
                    function.readConfiguration(offset, width: width), model.read(offset, width))
            case 4...7:
                function.writeConfiguration(offset, width: width, value: value)
                model.write(offset, width, value)
            case 8:
                device.events = []
                _ = function.read(bar: bar, offset: offset, width: width)
                function.write(bar: bar, offset: offset, width: width, value: value)
                check(device.takeEvents(), bar, offset, width, model)
            case 9:
                let isRaised = generator.number(0...1) == 1
                function.setInterrupt(isRaised: isRaised)
                model.isRequested = isRaised
            case 10:
                checkDecoding(bar, UInt64(truncatingIfNeeded: offset), model)
            default:
                guard generator.number(0...99) == 0 else { continue }
                function.reset()
                model.bytes = model.initial
                model.isRequested = false
            }
            XCTAssertEqual(
                function.gate.isOpen, model.bytes[PCIOffset.command] & Model.busMaster != 0)
            XCTAssertEqual(function.isInterruptRaised, model.isRequested && !model.isDisabled)
            if testRun?.totalFailureCount ?? 0 > 0 {
                return XCTFail("access \(round), BLOCKIO_SEED=\(Seed.text)")
            }
            device.events = []
        }
        XCTAssertEqual(function.savedRegisters, model.bytes)
    }

    private func checkDecoding(_ bar: Int, _ address: UInt64, _ model: Model) {
        let kind = function.bar(bar)
        let base = model.base(bar, kind)
        let found = function.port(ofBAR: bar).map(UInt64.init)
        XCTAssertEqual(found ?? function.address(ofBAR: bar)?.rawValue, base, "\(bar)")
        let port = UInt16(truncatingIfNeeded: address)
        let near = base.map { $0 &+ (address & 0xFFFF) &- 0x4000 } ?? address
        switch kind {
        case .io(let size):
            let isInside =
                base.map { UInt64(port) >= $0 && UInt64(port) - $0 < UInt64(size) } ?? false
            let offset = function.offset(ofPort: port, inBAR: bar)
            XCTAssertEqual(offset != nil, isInside, "\(bar) port \(port)")
            XCTAssertNil(function.offset(ofAddress: GuestAddress(address), inBAR: bar))
        case .memory(let size, _, _):
            let isInside = base.map { near >= $0 && near - $0 < UInt64(size) } ?? false
            let offset = function.offset(ofAddress: GuestAddress(near), inBAR: bar)
            XCTAssertEqual(offset != nil, isInside, "\(bar) address \(near)")
            XCTAssertNil(function.offset(ofPort: port, inBAR: bar))
        case nil:
            XCTAssertNil(function.offset(ofPort: port, inBAR: bar))
            XCTAssertNil(function.offset(ofAddress: GuestAddress(address), inBAR: bar))
        }
    }

    /// Only what lies inside of a base address register that answers reaches the device.
    private func check(
        _ events: [FakeDevice.Event], _ bar: Int, _ offset: Int, _ width: Int, _ model: Model
    ) {
        guard let kind = function.bar(bar), [1, 2, 4].contains(width), offset >= 0,
            offset <= kind.size - width
        else { return XCTAssertEqual(events, [], "\(bar) \(offset) \(width)") }
        var enable = Model.memory
        if case .io = kind { enable = Model.io }
        XCTAssertEqual(
            events.count, model.bytes[PCIOffset.command] & enable != 0 ? 2 : 0,
            "\(bar) \(offset) \(width)")
    }
}
