import BlockPCI
import GuestMemory
import XCTest

@testable import TestSupport

/// The interrupt pin, bit 10 of the command register, and bit 3 of the status register.
final class InterruptTests: PCITestCase {
    private var hasStatus: Bool {
        function.readConfiguration(PCIRegister.status, width: 1)
            & UInt32(PCIStatusBits.interrupt) != 0
    }

    func testTheLevelIsToldWhenItChanges() {
        function.setInterrupt(isRaised: false)
        XCTAssertEqual(device.takeEvents(), [])
        function.setInterrupt(isRaised: true)
        XCTAssertEqual(device.takeEvents(), [.pin(true), .received(true)])
        XCTAssertTrue(function.isInterruptRaised)
        XCTAssertTrue(hasStatus)
        function.setInterrupt(isRaised: true)
        XCTAssertEqual(device.takeEvents(), [])
        function.setInterrupt(isRaised: false)
        XCTAssertEqual(device.takeEvents(), [.pin(false), .received(false)])
        XCTAssertFalse(hasStatus)
    }

    /// Whoever hears of the pin first may change it at once; what the receiver hears last is the level.
    func testThePinChangesBackInTheMiddle() {
        device.onPin = { [unowned self] isRaised in
            if isRaised { function.setInterrupt(isRaised: false) }
        }
        function.setInterrupt(isRaised: true)
        XCTAssertFalse(function.isInterruptRaised)
        XCTAssertEqual(device.takeEvents(), [.pin(true), .pin(false), .received(false)])
        device.onPin = { _ in }
        function.setInterrupt(isRaised: true)
        XCTAssertEqual(device.takeEvents(), [.pin(true), .received(true)])
    }

    func testDisable() {
        function.setInterrupt(isRaised: true)
        _ = device.takeEvents()
        enable(.interruptDisable)
        XCTAssertEqual(
            device.takeEvents(),
            [
                .configured(
                    offset: PCIOffset.command, width: 2,
                    value: UInt32(PCICommandBits.interruptDisable)), .pin(false), .received(false),
            ],
            "the device is told of the write first")
        XCTAssertTrue(hasStatus, "whether or not the interrupt is let through")
        function.setInterrupt(isRaised: false)
        XCTAssertFalse(hasStatus)
        function.setInterrupt(isRaised: true)
        XCTAssertEqual(device.takeEvents(), [])
        enable([])
        XCTAssertEqual(
            device.takeEvents(),
            [
                .configured(offset: PCIOffset.command, width: 2, value: 0), .pin(true),
                .received(true),
            ])
    }

    func testStatusCannotBeWrittenAndIsNotSaved() {
        function.setInterrupt(isRaised: true)
        function.writeConfiguration(PCIRegister.status, width: 2, value: 0xFFFF)
        XCTAssertTrue(hasStatus)
        XCTAssertEqual(function.savedRegisters[PCIRegister.status], PCIStatusBits.capabilities)
        function.setInterrupt(isRaised: false)
        function.writeConfiguration(PCIRegister.status, width: 2, value: 0xFFFF)
        XCTAssertFalse(hasStatus)
    }

    func testReset() {
        function.setInterrupt(isRaised: true)
        _ = device.takeEvents()
        function.reset()
        XCTAssertEqual(device.takeEvents(), [.reset, .pin(false), .received(false)])
        XCTAssertFalse(hasStatus)
        // What is kept back does not get through in a reset.
        enable(.interruptDisable)
        function.setInterrupt(isRaised: true)
        _ = device.takeEvents()
        function.reset()
        XCTAssertEqual(device.takeEvents(), [.reset])
    }

    /// Before PCI Local Bus 2.3 there was neither bit.
    func testAFunctionOfPCI22() {
        var layout = Self.layout
        layout.command = [.io, .busMaster]
        let device = FakeDevice(layout, on: PCIBus(space))
        device.function.writeConfiguration(PCIRegister.command, width: 2, value: 0xFFFF)
        XCTAssertEqual(device.function.command, [.io, .busMaster])
        device.function.setInterrupt(isRaised: true)
        XCTAssertTrue(device.function.isInterruptRaised)
        XCTAssertEqual(
            device.function.readConfiguration(PCIRegister.status, width: 1),
            UInt32(PCIStatusBits.capabilities))
    }

    func testOtherPins() {
        for (pin, number) in [
            (PCIFunctionLayout.InterruptPin.a, 1), (.b, 2), (.c, 3), (.d, 4),
        ] as [(PCIFunctionLayout.InterruptPin, UInt32)] {
            var layout = Self.layout
            layout.interruptPin = pin
            let function = PCIFunction(layout, on: PCIBus(space))
            XCTAssertEqual(
                function.readConfiguration(PCIRegister.interruptPin, width: 1), number)
        }
    }
}
