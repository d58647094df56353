import BlockIO
import GuestMemory
import XCTest

@testable import TestSupport
@testable import VirtioBlock

/// Saving a device and restoring it in another machine with the same memory and image.
final class StateTests: VirtioTestCase {
    private func forEachImage(
        _ check: (() throws -> BlockImage) throws -> Void
    ) throws {
        try forEachTarget(
            size: Self.size,
            where: { $0.target == .tmpfsFile && $0.caching == .direct && $0.threading == .shared }
        ) { configuration, target in
            try check { try configuration.open(target) }
        }
    }

    private let read4K: [RingDriver.Segment] = [
        .init(address: 0x60_0000, length: 4096, isWritable: true)
    ]

    private func stopping() -> VirtioBlockOptions {
        var options = VirtioBlockOptions()
        options.readErrorPolicy = .stop
        return options
    }

    /// A driver goes on in the new machine, with its registers, its rings and an interrupt that it has not
    /// taken; a request that an error policy has kept is carried out.
    func testAMove() throws {
        try forEachImage { open in
            let ram = try GuestRAM(size: 8 << 20)
            var state: [UInt8] = []
            var driver: RingDriver?
            do {
                let machine = try MMIOMachine(open(), self.stopping(), ram: ram)
                try machine.start()
                for _ in 0..<5 { _ = try machine.run(VirtioType.flush) }
                XCTAssertTrue(
                    machine.mmio.write(offset: 0x120, width: 1, value: 0))
                machine.faults.add(.init(.error(EIO), operations: [.read], count: 1))
                machine.add(VirtioType.read, sector: 8, self.read4K, index: 1)
                try machine.poll { machine.heard.stops == 1 }
                machine.add(VirtioType.flush, index: 2)
                try machine.poll { machine.heard.isRaised }
                state = try machine.mmio.save()
                XCTAssertEqual(try machine.mmio.save(), state)
                driver = machine.rings[0]
            }
            let machine = try MMIOMachine(open(), self.stopping(), ram: ram)
            try machine.mmio.load(state)
            XCTAssertEqual(machine.status, 15)
            XCTAssertTrue(machine.heard.isRaised)
            XCTAssertEqual(machine.read(0x60), 1)
            XCTAssertFalse(machine.mmio.device.isWriteCacheOn)
            let ring = try XCTUnwrap(driver)
            var used: [UInt16] = []
            try machine.poll {
                used += ring.reap().map(\.head)
                return used.count == 2
            }
            XCTAssertEqual(machine.requestStatus(1), VirtioStatus.ok)
            self.expect(
                machine.bytes(at: 0x60_0000, 4096), .init(repeating: 0, count: 4096))
            // Another request of the same driver.
            machine.write(0x64, 3)
            ring.store(VirtioType.flush, at: machine.header(0))
            ring.store(VirtioStatus.untouched, at: machine.header(0) + 32)
            ring.add([
                .init(address: machine.header(0), length: 16),
                .init(address: machine.header(0) + 32, length: 1, isWritable: true),
            ])
            XCTAssertTrue(ring.publish())
            machine.write(0x50, 0)
            XCTAssertEqual(try machine.takeInterrupt(), 1)
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
        }
    }

    func testADeviceThatNeedsAReset() throws {
        try forEachImage { open in
            var state: [UInt8] = []
            do {
                let machine = try MMIOMachine(open())
                try machine.start()
                machine.rings[0].offer(.max)
                machine.rings[0].publish()
                machine.write(0x50, 0)
                state = try machine.mmio.save()
            }
            let machine = try MMIOMachine(open())
            try machine.mmio.load(state)
            XCTAssertEqual(machine.status, 15 | 64)
            try machine.start()
            XCTAssertEqual(try machine.run(VirtioType.flush), VirtioStatus.ok)
        }
    }

    /// A ring whose memory was not restored.
    func testARingWithoutMemory() throws {
        try forEachImage { open in
            var state: [UInt8] = []
            do {
                let machine = try MMIOMachine(open())
                try machine.start()
                state = try machine.mmio.save()
            }
            let machine = try MMIOMachine(open())
            try machine.space.map(.hole(size: 8 << 20), at: 0, priority: 1)
            try machine.mmio.load(state)
            XCTAssertEqual(machine.status, 15 | 64)
        }
    }

    func testSaveWaits() throws {
        try forEachImage { open in
            let machine = try MMIOMachine(open())
            try machine.start()
            let rule = machine.faults.add(.init(.hold, operations: [.read]))
            machine.add(VirtioType.read, self.read4K)
            XCTAssertThrowsError(try machine.mmio.save(timeout: .milliseconds(20))) {
                XCTAssertEqual($0 as? VirtioError, .busy)
            }
            XCTAssertThrowsError(try machine.mmio.load([])) {
                XCTAssertEqual($0 as? VirtioError, .busy)
            }
            machine.faults.remove(rule)
            machine.faults.release()
            _ = try machine.mmio.save()
            XCTAssertEqual(machine.requestStatus(0), VirtioStatus.ok)
        }
    }

    /// Every byte of a state with every bit inverted, and every shorter state: it is refused and nothing has
    /// changed, or the device runs.
    func testDamagedStates() throws {
        try forEachTarget(
            size: Self.size,
            where: {
                $0.target == .tmpfsFile && $0.engine == .linuxAIO && $0.threading == .shared
            }
        ) { configuration, target in
            let machine = try MMIOMachine(configuration.open(target))
            try machine.start()
            let state = try machine.mmio.save()
            var accepted = 0
            for index in state.indices {
                XCTAssertThrowsError(try machine.mmio.load([UInt8](state[..<index])))
                for bit in 0..<8 {
                    var damaged = state
                    damaged[index] ^= 1 << UInt8(bit)
                    let before = try machine.mmio.save()
                    do {
                        try machine.mmio.load(damaged)
                        accepted += 1
                        machine.write(0x50, 0)
                        machine.mmio.poll()
                    } catch {
                        XCTAssertEqual(try machine.mmio.save(), before, "\(error)")
                    }
                }
            }
            XCTAssertGreaterThan(accepted, 0)
            try machine.mmio.load(state)
            XCTAssertEqual(try machine.mmio.save(), state)
            XCTAssertThrowsError(try machine.mmio.load(state + [0]))
        }
    }

    func testOtherHardware() throws {
        try forEachImage { open in
            let image = try open()
            let machine = try MMIOMachine(image)
            try machine.start()
            let state = try machine.mmio.save()
            // The size, and a feature that is not offered.
            let format = VirtioMMIO.stateFormat
            var saved = try format.read(state, into: SavedDevice(queueCount: 1))
            saved.agreement.size += 512
            XCTAssertThrowsError(try machine.mmio.load(format.write(saved))) {
                guard case VirtioError.otherHardware("agreement.size", _) = $0 else {
                    return XCTFail("\($0)")
                }
            }
            saved.agreement.size -= 512
            saved.agreement.features |= 1 << 40
            XCTAssertThrowsError(try machine.mmio.load(format.write(saved))) {
                guard case VirtioError.otherHardware("agreement.features", _) = $0 else {
                    return XCTFail("\($0)")
                }
            }
            XCTAssertThrowsError(
                try machine.mmio.load(format.write(SavedDevice(queueCount: 2)))
            ) {
                guard case VirtioError.otherHardware = $0 else { return XCTFail("\($0)") }
            }
            XCTAssertEqual(try machine.mmio.save(), state)
        }
    }
}
