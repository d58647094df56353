import BlockATA
import Glibc
import IDE
import XCTest

@testable import TestSupport

/// docs/ide-rules.md, "ATA commands": IDENTIFY claims exactly what works.
final class IdentifyTests: IDETestCase {
    func testContent() throws {
        let options = DiskOptions(serial: "SERIAL 1", firmware: "FW 2.5", model: "A model")
        try forEachMachine(options) { machine in
            machine.command28(Opcode.identifyDevice)
            XCTAssertTrue(machine.irq)
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            let bytes = machine.readData(count: 512)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            machine.sample("identify", bytes)
            let words = (0..<256).map { UInt16(bytes[2 * $0]) | UInt16(bytes[2 * $0 + 1]) << 8 }
            func text(_ range: ClosedRange<Int>) -> String {
                String(
                    decoding: words[range].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] },
                    as: UTF8.self)
            }
            XCTAssertEqual(text(10...19), "SERIAL 1".padded(to: 20))
            XCTAssertEqual(text(23...26), "FW 2.5".padded(to: 8))
            XCTAssertEqual(text(27...46), "A model".padded(to: 40))
            XCTAssertEqual([words[1], words[3], words[6]], [2, 16, 63])
            XCTAssertEqual(
                [words[54], words[55], words[56], words[57], words[58]], [2, 16, 63, 2016, 0])
            XCTAssertEqual([words[60], words[61]], [2048, 0])
            XCTAssertEqual(Array(words[100...103]), [2048, 0, 0, 0])
            XCTAssertEqual(words[0], 0x40)
            XCTAssertEqual(words[47], 0x8010)
            XCTAssertEqual(words[49] & 0x0B00, 0x0B00)
            XCTAssertEqual([words[63], words[88]], [7, 0x203F])
            XCTAssertEqual(words[93], 0x6001)
            XCTAssertEqual(bytes[510], 0xA5)
            XCTAssertEqual(bytes.reduce(0, &+), 0, "the sum of all bytes")
        }
    }

    func testLargeDisks() throws {
        let image = try TemporaryImage(size: 200 << 30)
        try compare(
            over: MachineConfiguration.engines,
            with: machines(with: image.path)
        ) { machine in
            let words = machine.identify()
            let sectors: UInt64 = 200 << 21
            XCTAssertEqual([words[60], words[61]], [0xFFFF, 0x0FFF], "28 bits hold no more")
            XCTAssertEqual(
                Array(words[100...102]), [0, UInt16(sectors >> 16 & 0xFFFF), UInt16(sectors >> 32)])
            XCTAssertEqual([words[1], words[3], words[6]], [16383, 16, 63])
            XCTAssertEqual([words[57], words[58]], [0xFC10, 0x00FB])
            machine.command48(Opcode.readSectorsExt, lba: sectors - 1, count: 1)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            _ = machine.readData(count: 512)
            XCTAssertEqual(machine.lba48, sectors)
            machine.command28(Opcode.readNativeMaxAddress)
            XCTAssertEqual(machine.lba28, 0xFFF_FFFF)
            machine.command48(Opcode.readNativeMaxAddressExt)
            XCTAssertEqual(machine.lba48, sectors - 1)
            machine.command28(Opcode.readSectors, lba: 0xFFF_FFFF, count: 1)
            machine.settle()
            _ = machine.readData(count: 512)
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    /// A sparse file of 8 EiB has 64 times as many sectors as 48 bits address.
    func testMoreSectorsThanAddresses() throws {
        let mount = try orSkip(DetachedMount.tmpfs(size: 1 << 20))
        defer { mount.close() }
        let path = mount.path("image")
        let file = Descriptor(
            try SystemCall.check(Descriptor.open(path, O_RDWR | O_CREAT), "open \(path)"))
        try SystemCall.check(SystemCall.result(ftruncate(file.raw, Int.max & ~511)), "ftruncate")
        try compare(over: MachineConfiguration.engines, with: machines(with: path)) { machine in
            let words = machine.identify()
            XCTAssertEqual(Array(words[100...103]), [0xFFFF, 0xFFFF, 0xFFFF, 0])
            machine.command48(Opcode.readNativeMaxAddressExt)
            XCTAssertEqual(machine.lba48, 0xFFFF_FFFF_FFFE)
            machine.command48(Opcode.readSectorsExt, lba: 0xFFFF_FFFF_FFFE, count: 1)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            _ = machine.readData(count: 512)
            machine.command48(Opcode.readSectorsExt, lba: 0xFFFF_FFFF_FFFF, count: 1)
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.addressNotFound])
        }
    }

    func testEmptyDisk() throws {
        let image = try TemporaryImage(size: 0)
        try compare(
            over: MachineConfiguration.engines,
            with: machines(with: image.path)
        ) { machine in
            XCTAssertEqual(machine.identify()[60], 0)
            for opcode: UInt8 in [
                Opcode.readSectors, Opcode.writeSectors, Opcode.readVerify, Opcode.seek,
            ] {
                machine.command28(opcode, count: 1)
                XCTAssertEqual(
                    [machine.status, machine.error],
                    [DriveStatus.failed, DriveError.addressNotFound])
            }
            machine.command28(Opcode.readNativeMaxAddress)
            XCTAssertEqual(machine.status, DriveStatus.idle)
        }
    }

    func testGeometryFromThePartitionTable() throws {
        var record = [UInt8](repeating: 0, count: 512)
        record[510] = 0x55
        record[511] = 0xAA
        // The second entry is in use: it ends on head 7 and sector 32.
        record[0x1CE + 5] = 7
        record[0x1CE + 6] = 32 | 0xC0
        record[0x1CE + 12] = 1
        let image = try TemporaryImage(size: 8 << 20, content: record)
        let machine = try TestMachine()
        try machine.attach(image.path)
        var words = machine.identify()
        XCTAssertEqual([words[1], words[3], words[6]], [64, 8, 32])
        // 255 heads are a BIOS translation, no physical geometry.
        record[0x1CE + 5] = 254
        let other = try TemporaryImage(size: 8 << 20, content: record)
        try machine.attach(other.path, to: .primarySlave)
        words = machine.identify(device: 0x10)
        XCTAssertEqual([words[1], words[3], words[6]], [16, 16, 63])
        XCTAssertEqual(words[93], 0x6100, "device 1 answers in its own byte")
        let chosen = try TemporaryImage(size: 8 << 20, content: record)
        try machine.attach(
            chosen.path, to: .secondaryMaster,
            DiskOptions(geometry: DiskGeometry(cylinders: 10, heads: 2, sectors: 9)))
        machine.outb(0x177, Opcode.identifyDevice)
        let bytes = (0..<256).map { _ in machine.controller.readPort(0x170, width: 2) }
        XCTAssertEqual([bytes[1], bytes[3], bytes[6]], [10, 2, 9])
    }

    private func geometry(_ words: [UInt16]) -> [Int] {
        [1, 3, 6, 54, 55, 56].map { Int(words[$0]) } + [Int(words[57]) | Int(words[58]) << 16]
    }

    /// A disk smaller than a cylinder has one all the same, and a BIOS can read all of it.
    func testSmallDisks() throws {
        for (sectors, cylinders) in [
            (1, 1), (2, 1), (62, 1), (63, 1), (1007, 1), (1008, 1), (2015, 1), (2016, 2),
        ] {
            let last = UInt64(sectors - 1)
            let image = try TemporaryImage(
                size: sectors * 512,
                content: Self.content(sector: 0) + [UInt8](repeating: 0, count: 512 * (sectors - 1))
            )
            let machine = try TestMachine()
            try machine.attach(image.path)
            XCTAssertEqual(
                geometry(machine.identify()),
                [cylinders, 16, 63, cylinders, 16, 63, cylinders * 1008], "\(sectors) sectors")
            machine.commandCHS(
                Opcode.readSectors, cylinder: UInt16(last / 1008), head: UInt8(last / 63 % 16),
                sector: UInt8(last % 63 + 1), count: 1)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.wantsData, "\(sectors) sectors")
            _ = machine.readData(count: 512)
            // Behind the end there is nothing, whatever the geometry says.
            machine.commandCHS(
                Opcode.readSectors, cylinder: UInt16((last + 1) / 1008),
                head: UInt8((last + 1) / 63 % 16),
                sector: UInt8((last + 1) % 63 + 1), count: 1)
            machine.settle()
            XCTAssertEqual(
                [machine.status, machine.error], [DriveStatus.failed, DriveError.addressNotFound],
                "\(sectors) sectors")
            machine.commandCHS(
                Opcode.initializeDeviceParameters, cylinder: 0, head: 3, sector: 0, count: 8)
            XCTAssertEqual(machine.status, DriveStatus.idle)
            let current = max(1, sectors / 32)
            XCTAssertEqual(
                geometry(machine.identify()), [cylinders, 16, 63, current, 4, 8, current * 32],
                "\(sectors) sectors")
        }
    }

    /// Words 54 to 58 are those of words 1, 3 and 6 until the host sets another translation.
    func testAGivenGeometryIsTheCurrentOne() throws {
        for (geometry, product) in [
            (DiskGeometry(cylinders: 20, heads: 2, sectors: 9), 360),
            (DiskGeometry(cylinders: 65535, heads: 16, sectors: 255), 267_382_800),
            (DiskGeometry(cylinders: 1, heads: 1, sectors: 1), 1),
        ] {
            let machine = try TestMachine()
            try machine.attach(Self.plainPath(0), DiskOptions(geometry: geometry))
            let given = [geometry.cylinders, geometry.heads, geometry.sectors]
            XCTAssertEqual(self.geometry(machine.identify()), given + given + [product])
            machine.commandCHS(
                Opcode.initializeDeviceParameters, cylinder: 0, head: 3, sector: 0, count: 32)
            XCTAssertEqual(self.geometry(machine.identify()), given + [16, 4, 32, 2048])
            machine.commandCHS(
                Opcode.initializeDeviceParameters, cylinder: 0, head: UInt8(geometry.heads - 1),
                sector: 0,
                count: UInt8(geometry.sectors))
            XCTAssertEqual(self.geometry(machine.identify()), given + given + [product])
        }
    }

    func testOptionsAreChecked() throws {
        let wrong = [
            DiskOptions(serial: String(repeating: "x", count: 21)),
            DiskOptions(firmware: "123456789"),
            DiskOptions(model: "naïve"), DiskOptions(serial: "a\u{7}"),
            DiskOptions(geometry: DiskGeometry(cylinders: 0, heads: 1, sectors: 1)),
            DiskOptions(geometry: DiskGeometry(cylinders: 1, heads: 17, sectors: 1)),
            DiskOptions(geometry: DiskGeometry(cylinders: 1, heads: 1, sectors: 256)),
            DiskOptions(geometry: DiskGeometry(cylinders: 65536, heads: 1, sectors: 1)),
            DiskOptions(geometry: DiskGeometry(cylinders: 1, heads: 0, sectors: 1)),
            DiskOptions(geometry: DiskGeometry(cylinders: 1, heads: 1, sectors: 0)),
        ]
        for options in wrong {
            let machine = try TestMachine()
            XCTAssertThrowsError(try machine.attach(Self.plainPath(0), options)) {
                guard case ATAError.invalidOption = $0 else { return XCTFail("\($0)") }
            }
        }
    }

    /// Every opcode: those that are claimed do something, all others abort.
    func testUnknownCommandsAbort() throws {
        // NOP (00h) is known, and its answer is the same.
        let known: Set<UInt8> = [
            0x06, 0x10, 0x20, 0x21, 0x24, 0x25, 0x27, 0x29, 0x30, 0x31, 0x34, 0x35, 0x39, 0x3D,
            0x40, 0x41, 0x42, 0x70, 0x90, 0x91, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0xB0, 0xC4,
            0xC5, 0xC6, 0xC8, 0xC9, 0xCA, 0xCB, 0xCE, 0xE0, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6,
            0xE7, 0xE8, 0xEA, 0xEC, 0xEF, 0xF5, 0xF8,
        ]
        try forEachMachine(over: MachineConfiguration.engines.filter { $0.bounce == .usual }) {
            machine in
            for opcode in UInt8.min...UInt8.max {
                let isSMART = opcode == Opcode.smart
                let features: UInt8 = isSMART ? 0xDA : opcode == Opcode.setFeatures ? 2 : 1
                machine.outb(IDEPort.device, 0xE0)
                for byte: UInt8 in [0, 1] {
                    machine.outb(IDEPort.features, byte * features)
                    machine.outb(IDEPort.count, byte)
                    machine.outb(IDEPort.lbaLow, 0)
                    machine.outb(IDEPort.lbaMid, isSMART ? byte * 0x4F : 0)
                    machine.outb(IDEPort.lbaHigh, isSMART ? byte * 0xC2 : 0)
                }
                machine.outb(IDEPort.command, opcode)
                machine.settle()
                let isKnown = known.contains(opcode)
                if isKnown {
                    XCTAssertEqual(machine.alternateStatus & 1, 0, hex(opcode))
                } else {
                    XCTAssertTrue(machine.irq, hex(opcode))
                    XCTAssertEqual(
                        [machine.alternateStatus, machine.error],
                        [DriveStatus.failed, DriveError.aborted], hex(opcode))
                }
                if isKnown { machine.sample(hex(opcode)) }
                machine.control(4)
                machine.control(0)
            }
        }
    }
}

extension String {
    fileprivate func padded(to count: Int) -> String {
        self + String(repeating: " ", count: count - self.count)
    }
}
