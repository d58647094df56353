import BlockPCI
import GuestMemory
import XCTest

/// Tests of a function that has some of everything.
class PCITestCase: XCTestCase {
    private(set) var space: AddressSpace!
    private(set) lazy var device = FakeDevice(Self.layout, on: PCIBus(space))
    var function: PCIFunction { device.function }

    override func setUpWithError() throws { space = try AddressSpace() }

    /// Where ``layout`` has its capabilities, in the order of the list, and registers of its own.
    static let capability = 0x50
    static let secondCapability = 0x48
    static let ownRegisters = 0x60
    static let lastRegisters = 0xFC

    /// Numbers of capabilities (PCI Local Bus 3.0, appendix H).
    enum CapabilityID {
        static let powerManagement: UInt8 = 0x01
        static let vendorSpecific: UInt8 = 0x09
    }

    /// I/O ports, memory of 32 and of 64 bits, an interrupt, two capabilities and registers of its own.
    static var layout: PCIFunctionLayout {
        var layout = PCIFunctionLayout(
            PCIIdentity(
                vendor: 0x1234, device: 0x5678, revision: 0x9A, baseClass: 0x01, subclass: 0x80,
                programmingInterface: 0x02, subsystemVendor: 0xBCDE, subsystem: 0xF012))
        layout.command = [.io, .memory, .busMaster, .interruptDisable]
        layout.status = [.mediumTiming]
        layout.clearableStatus = [.receivedMasterAbort, .receivedTargetAbort]
        layout.bars = [
            .io(size: 16), .memory(size: 4096), nil,
            .memory(size: 1 << 14, is64Bit: true, isPrefetchable: true), nil, .io(size: 256),
        ]
        layout.interruptPin = .a
        layout.capabilities = [
            PCICapability(
                id: CapabilityID.vendorSpecific, at: capability, reset: [6, 0x11],
                writable: [0, 0x0F], clearable: [0, 0xF0]),
            PCICapability(
                id: CapabilityID.powerManagement, at: secondCapability, reset: [3, 0]),
        ]
        layout.registers = [
            PCIRegisterBlock(at: PCIRegister.latencyTimer, keeping: 0xF8),
            PCIRegisterBlock(
                at: ownRegisters, reset: [0x5A, 0xA5, 0xFF], writable: [0xFF, 0x0F, 0],
                clearable: [0, 0xF0, 0x80]),
            PCIRegisterBlock(at: lastRegisters, count: 4, keeping: 0xFF),
        ]
        return layout
    }

    /// What each byte of ``layout`` is: after a reset, and the bits that a write of ones and then of zeroes
    /// leaves. Bytes that are not here are 0 for ever.
    static let bytes: [(offset: Int, reset: UInt8, ones: UInt8, zeroes: UInt8)] = [
        // Vendor and device.
        (0x00, 0x34, 0x34, 0x34), (0x01, 0x12, 0x12, 0x12),
        (0x02, 0x78, 0x78, 0x78), (0x03, 0x56, 0x56, 0x56),
        // Command: bits 0, 1, 2 and 10.
        (0x04, 0x00, 0x07, 0x00), (0x05, 0x00, 0x04, 0x00),
        // Status: bit 4, capabilities; bit 9, timing.
        (0x06, 0x10, 0x10, 0x10), (0x07, 0x02, 0x02, 0x02),
        // Revision, class code, latency timer.
        (0x08, 0x9A, 0x9A, 0x9A), (0x09, 0x02, 0x02, 0x02),
        (0x0A, 0x80, 0x80, 0x80), (0x0B, 0x01, 0x01, 0x01),
        (0x0D, 0x00, 0xF8, 0x00),
        // BAR0: 16 ports.
        (0x10, 0x01, 0xF1, 0x01), (0x11, 0, 0xFF, 0), (0x12, 0, 0xFF, 0), (0x13, 0, 0xFF, 0),
        // BAR1: 4096 bytes.
        (0x14, 0x00, 0x00, 0x00), (0x15, 0, 0xF0, 0), (0x16, 0, 0xFF, 0), (0x17, 0, 0xFF, 0),
        // BAR3 and BAR4: 16 KiB, 64 bits, prefetchable.
        (0x1C, 0x0C, 0x0C, 0x0C), (0x1D, 0, 0xC0, 0), (0x1E, 0, 0xFF, 0), (0x1F, 0, 0xFF, 0),
        (0x20, 0, 0xFF, 0), (0x21, 0, 0xFF, 0), (0x22, 0, 0xFF, 0), (0x23, 0, 0xFF, 0),
        // BAR5: 256 ports.
        (0x24, 0x01, 0x01, 0x01), (0x25, 0, 0xFF, 0), (0x26, 0, 0xFF, 0), (0x27, 0, 0xFF, 0),
        // Subsystem vendor and subsystem.
        (0x2C, 0xDE, 0xDE, 0xDE), (0x2D, 0xBC, 0xBC, 0xBC),
        (0x2E, 0x12, 0x12, 0x12), (0x2F, 0xF0, 0xF0, 0xF0),
        // Pointer to the capabilities, interrupt line, interrupt pin.
        (0x34, 0x50, 0x50, 0x50), (0x3C, 0, 0xFF, 0), (0x3D, 1, 1, 1),
        // The second entry of the list, and the first.
        (0x48, 0x01, 0x01, 0x01), (0x49, 0x00, 0x00, 0x00), (0x4A, 3, 3, 3),
        (0x50, 0x09, 0x09, 0x09), (0x51, 0x48, 0x48, 0x48), (0x52, 6, 6, 6),
        (0x53, 0x11, 0x0F, 0x00),
        // Registers of its own.
        (0x60, 0x5A, 0xFF, 0x00), (0x61, 0xA5, 0x0F, 0x00), (0x62, 0xFF, 0x7F, 0x7F),
        (0xFC, 0, 0xFF, 0), (0xFD, 0, 0xFF, 0), (0xFE, 0, 0xFF, 0), (0xFF, 0, 0xFF, 0),
    ]

    /// Writes a base address register of 32 bits.
    func place(_ bar: Int, at address: UInt32) {
        function.writeConfiguration(PCIRegister.firstBAR + 4 * bar, width: 4, value: address)
    }

    func enable(_ command: PCICommand) {
        function.writeConfiguration(
            PCIRegister.command, width: 2, value: UInt32(command.rawValue))
    }
}
