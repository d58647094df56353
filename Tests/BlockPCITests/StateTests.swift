import BlockPCI
import GuestMemory
import XCTest

/// The configuration space in a saved state.
final class StateTests: PCITestCase {
    func testARestoredFunctionIsTheSame() {
        place(0, at: 0xC000)
        place(3, at: 0x4000)
        place(4, at: 7)
        enable([.io, .memory, .busMaster, .interruptDisable])
        function.writeConfiguration(Self.ownRegisters, width: 2, value: 0x0512)
        function.note(.receivedMasterAbort)
        let saved = function.savedRegisters
        XCTAssertEqual(saved.count, function.configurationSize)
        let other = FakeDevice(Self.layout, on: PCIBus(space))
        other.function.setInterrupt(isRaised: true)
        _ = other.takeEvents()
        XCTAssertNil(other.function.firstDifference(from: saved))
        other.function.restoreRegisters(saved)
        XCTAssertEqual(other.function.savedRegisters, saved)
        XCTAssertTrue(other.function.gate.isOpen)
        XCTAssertEqual(other.function.port(ofBAR: 0), 0xC000)
        XCTAssertEqual(other.function.address(ofBAR: 3), 0x7_0000_4000)
        XCTAssertEqual(
            other.takeEvents(), [.pin(false), .received(false)], "the pin follows, and no more")
    }

    func testWhatIsConstantIsCompared() {
        let saved = function.savedRegisters
        for offset in 0..<256 {
            for bit in 0..<8 as Range<UInt8> {
                var changed = saved
                changed[offset] ^= 1 << bit
                let difference = function.firstDifference(from: changed)
                function.reset()
                function.restoreRegisters(changed)
                let isTaken = function.savedRegisters[offset] == changed[offset]
                XCTAssertEqual(difference, isTaken ? nil : offset, "\(offset) bit \(bit)")
            }
        }
        function.reset()
        // Of any length: what is not there is as it was.
        XCTAssertNil(function.firstDifference(from: []))
        function.restoreRegisters([])
        XCTAssertEqual(function.firstDifference(from: [0x34, 0x13]), 1)
        XCTAssertEqual(function.savedRegisters, saved)
        XCTAssertNil(function.firstDifference(from: saved + [1, 2, 3]))
        function.restoreRegisters(saved + [1, 2, 3])
        XCTAssertEqual(function.savedRegisters, saved)
    }
}
