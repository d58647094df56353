import BlockPCI
import XCTest

@testable import TestSupport
@testable import VFIOUserServer

/// What the device is, and accesses to its registers.
final class DeviceTests: ServerTestCase {
    override func setUpWithError() throws {
        try super.setUpWithError()
        try negotiate()
    }

    func testInformation() throws {
        let info = try peer.request(VFIORequest.info)
        // VFIO_DEVICE_FLAGS_RESET and VFIO_DEVICE_FLAGS_PCI; regions; interrupts.
        let (length, flags): (UInt32, UInt32) = (16, 1 | 2)
        XCTAssertEqual(
            (0..<4).map { info.u32(4 * $0) }, [length, flags, VFIORegion.count, 5])
        for (index, size) in [8, 4, 8, 4, 16, 0, 0, 256, 0].enumerated() {
            let region = try peer.request(VFIORequest.regionInfo(UInt32(index)))
            XCTAssertEqual(region.body.count, 32)
            // VFIO_REGION_INFO_FLAG_READ and VFIO_REGION_INFO_FLAG_WRITE.
            let (length, flags): (UInt32, UInt32) = (32, size > 0 ? 1 | 2 : 0)
            XCTAssertEqual(
                [region.u32(0), region.u32(4), region.u32(8), region.u32(12)],
                [length, flags, UInt32(index), 0])
            XCTAssertEqual(region.u64(16), UInt64(size))
        }
        for index: UInt32 in 0..<5 {
            let irq = try peer.request(VFIORequest.irqInfo(index))
            // VFIO_IRQ_INFO_EVENTFD, _MASKABLE and _AUTOMASKED, for INTx alone.
            let (length, flags): (UInt32, UInt32) = (16, index == 0 ? 1 | 2 | 4 : 0)
            XCTAssertEqual(
                (0..<4).map { irq.u32(4 * $0) }, [length, flags, index, index == 0 ? 1 : 0])
        }
        try assertFails(VFIORequest.regionInfo(VFIORegion.count))
        try assertFails(VFIORequest.irqInfo(5))
    }

    func testRequestsThatAreTooShortAreRefused() throws {
        for message in [
            VFIORequest.info, VFIORequest.regionInfo(0), VFIORequest.irqInfo(0),
            VFIORequest.map(0, 4096),
            VFIORequest.unmap(0, 4096), VFIORequest.setIRQs(VFIOIRQFlags.trigger, count: 0),
            VFIORequest.read(VFIORegion.bar0, 0, 1),
            VFIORequest.write(VFIORegion.bar0, 0, [1]),
            VFIORequest.feature(
                VFIOFeature.set | VFIOFeature.dmaLoggingStart, [UInt8](repeating: 0, count: 16)),
        ] {
            for length in 0..<message.body.count {
                var short = message
                short.body = Array(message.body[..<length])
                try assertFails(short)
            }
        }
        var little = VFIORequest.info
        little.body[0] = 15
        try assertFails(little)
    }

    func testAccessesAreDividedAsABusWould() throws {
        try assertWorks(VFIORequest.write(VFIORegion.bar0, 0, [1, 2, 3, 4, 5, 6, 7, 8]))
        try assertWorks(VFIORequest.write(VFIORegion.bar0, 1, [9]))
        try assertWorks(VFIORequest.write(VFIORegion.bar4, 2, [1, 2, 3, 4]))
        try assertWorks(
            VFIORequest.writeConfiguration(
                PCIOffset.command, PCICommandBits.io | PCICommandBits.busMaster))
        XCTAssertEqual(
            function.accesses,
            [
                .init(region: VFIORegion.bar0, offset: 0, width: 4, value: 0x0403_0201),
                .init(region: VFIORegion.bar0, offset: 4, width: 4, value: 0x0807_0605),
                .init(region: VFIORegion.bar0, offset: 1, width: 1, value: 9),
                .init(region: VFIORegion.bar4, offset: 2, width: 2, value: 0x0201),
                .init(region: VFIORegion.bar4, offset: 4, width: 2, value: 0x0403),
                .init(
                    region: VFIORegion.configuration, offset: PCIOffset.command, width: 2,
                    value: UInt32(PCICommandBits.io | PCICommandBits.busMaster)),
            ])
        let reply = try peer.request(VFIORequest.read(VFIORegion.bar0, 1, 7))
        XCTAssertEqual(reply.u64(0), 1)
        XCTAssertEqual([reply.u32(8), reply.u32(12)], [0, 7])
        XCTAssertEqual(Array(reply.body[16...]), [9, 3, 4, 5, 6, 7, 8])
        XCTAssertEqual(
            function.accesses.suffix(3),
            [
                .init(region: VFIORegion.bar0, offset: 1, width: 1),
                .init(region: VFIORegion.bar0, offset: 2, width: 2),
                .init(region: VFIORegion.bar0, offset: 4, width: 4),
            ])
        XCTAssertEqual(try peer.request(VFIORequest.readConfiguration(0, 256)).body.count, 16 + 256)
    }

    func testAccessesOutsideReachNothing() throws {
        for (region, offset, count) in [
            (VFIORegion.bar0, 8, 1), (VFIORegion.bar0, 7, 2), (VFIORegion.bar0, 0, 9),
            (VFIORegion.bar0, 0, 0), (VFIORegion.bar0, 1, .max), (VFIORegion.bar5, 0, 1),
            (VFIORegion.rom, 0, 1), (VFIORegion.vga, 0, 1), (VFIORegion.count, 0, 1), (.max, 0, 1),
            (VFIORegion.configuration, 256, 1), (VFIORegion.configuration, 255, 2),
            (VFIORegion.configuration, .max, 1), (VFIORegion.configuration, .max, 2),
        ] as [(UInt32, UInt64, UInt32)] {
            try assertFails(VFIORequest.read(region, offset, count))
            if count < 300 {
                try assertFails(
                    VFIORequest.write(region, offset, [UInt8](repeating: 1, count: Int(count))))
            }
        }
        var long = VFIORequest.write(VFIORegion.bar0, 0, [1, 2])
        long.body.append(3)
        try assertFails(long)
        long.body.removeLast(2)
        try assertFails(long)
        XCTAssertEqual(function.accesses, [])
    }

    /// One message has no more data than the server has said, however large a base address register is.
    func testLongAccessesAreRefused() throws {
        var layout = PCIFunctionLayout(
            PCIIdentity(vendor: 0x1234, device: 0x5678, baseClass: 0xFF, subclass: 0))
        layout.bars = [.memory(size: 1 << 31)]
        // Memory always answers.
        layout.registers = [
            PCIRegisterBlock(
                at: PCIRegister.command, reset: [UInt8(PCICommandBits.memory)])
        ]
        let device = CountingDevice()
        let large = PCIFunction(layout, on: PCIBus(space))
        large.device = device
        try connect(to: large)
        try negotiate()
        let most = UInt32(VFIOUser.Limit.transfer)
        for count in [most + 1, 1 << 31] {
            try assertFails(VFIORequest.read(VFIORegion.bar0, 0, count))
        }
        try assertFails(VFIORequest.read(VFIORegion.bar0, 4, (1 << 31) - 4))
        XCTAssertEqual(device.reads, 0)
        try assertWorks(VFIORequest.read(VFIORegion.bar0, (1 << 31) - UInt64(most), most))
        XCTAssertEqual(device.reads, Int(most) / 4)
    }

    func testAResetIsAnsweredWhenTheFunctionIsQuiet() throws {
        function.isBusy = true
        let id = try peer.send(VFIORequest.reset)
        XCTAssertTrue(try peer.isQuiet())
        XCTAssertEqual(function.resets, 1)
        try assertWorks(VFIORequest.read(VFIORegion.bar0, 0, 4))
        function.isBusy = false
        XCTAssertEqual(try peer.reply(to: id).failure, 0)
    }

    /// The reply to a write comes before the write has done anything: a peer that waits for it may
    /// not be able to do what the write makes the function ask for.
    func testWritesAreAnsweredFirst() throws {
        var wasAnswered = false
        let socket = peer.socket.raw
        function.onDoorbell = {
            var byte: UInt8 = 0
            wasAnswered = recv(socket, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)) == 1
        }
        try assertWorks(FakeFunction.ringDoorbell)
        XCTAssertTrue(wasAnswered)
    }
}

/// Counts what reaches it.
private final class CountingDevice: PCIDevice {
    private(set) var reads = 0

    func read(_ function: PCIFunction, bar: Int, offset: Int, width: Int) -> UInt32 {
        reads += 1
        return 0
    }

    func write(_ function: PCIFunction, bar: Int, offset: Int, width: Int, value: UInt32) {}
    func reset(_ function: PCIFunction) {}
    var isBusy: Bool { false }
    var descriptors: [CInt] { [] }
    func poll(_ function: PCIFunction) {}
}
