import BlockATA
import Glibc
import IDE
import XCTest

@testable import TestSupport

/// docs/ide-rules.md, "ATA commands": IDENTIFY claims exactly what works.
final class IdentifyTests: IDETestCase {
    private static let lastAddress28: UInt32 = 1 << 28 - 1
    private static let lastAddress48: UInt64 = 1 << 48 - 1

    /// Cylinders, heads and sectors per track.
    private func defaultGeometry(_ words: [UInt16]) -> [UInt16] {
        [IdentifyWord.cylinders, IdentifyWord.heads, IdentifyWord.sectorsPerTrack].map {
            words[$0]
        }
    }

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
            XCTAssertEqual(text(IdentifyWord.serial), "SERIAL 1".padded(to: 20))
            XCTAssertEqual(text(IdentifyWord.firmware), "FW 2.5".padded(to: 8))
            XCTAssertEqual(text(IdentifyWord.model), "A model".padded(to: 40))
            XCTAssertEqual(defaultGeometry(words), [2, 16, 63])
            XCTAssertEqual(Array(words[IdentifyWord.currentGeometry]), [2, 16, 63, 2016, 0])
            XCTAssertEqual(Array(words[IdentifyWord.sectors28]), [2048, 0])
            XCTAssertEqual(Array(words[IdentifyWord.sectors48]), [2048, 0, 0, 0])
            XCTAssertEqual(words[IdentifyWord.configuration], 0x40, "not removable")
            XCTAssertEqual(words[IdentifyWord.multipleMaximum], 0x8010, "16 sectors")
            XCTAssertEqual(words[IdentifyWord.capabilities] & 0x0B00, 0x0B00, "DMA, LBA, IORDY")
            XCTAssertEqual(words[IdentifyWord.multiwordDMA], 7, "modes 0 to 2, none is set")
            XCTAssertEqual(words[IdentifyWord.ultraDMA], 0x203F, "modes 0 to 5, 5 is set")
            XCTAssertEqual(words[IdentifyWord.hardwareReset], 0x6001)
            XCTAssertEqual(bytes[510], 0xA5, "the signature of the checksum")
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
            XCTAssertEqual(
                Array(words[IdentifyWord.sectors28]), [0xFFFF, 0x0FFF], "28 bits hold no more")
            XCTAssertEqual(
                Array(words[IdentifyWord.sectors48].prefix(3)),
                [0, UInt16(sectors >> 16 & 0xFFFF), UInt16(sectors >> 32)])
            XCTAssertEqual(defaultGeometry(words), [16383, 16, 63])
            XCTAssertEqual(
                Array(words[IdentifyWord.currentGeometry].suffix(2)), [0xFC10, 0x00FB],
                "16383 * 16 * 63, the lower half first")
            machine.command48(Opcode.readSectorsExt, lba: sectors - 1, count: 1)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            _ = machine.readData(count: 512)
            XCTAssertEqual(machine.lba48, sectors)
            machine.command28(Opcode.readNativeMaxAddress)
            XCTAssertEqual(machine.lba28, Self.lastAddress28)
            machine.command48(Opcode.readNativeMaxAddressExt)
            XCTAssertEqual(machine.lba48, sectors - 1)
            machine.command28(Opcode.readSectors, lba: Self.lastAddress28, count: 1)
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
            XCTAssertEqual(Array(words[IdentifyWord.sectors48]), [0xFFFF, 0xFFFF, 0xFFFF, 0])
            machine.command48(Opcode.readNativeMaxAddressExt)
            XCTAssertEqual(machine.lba48, Self.lastAddress48 - 1)
            machine.command48(Opcode.readSectorsExt, lba: Self.lastAddress48 - 1, count: 1)
            machine.settle()
            XCTAssertEqual(machine.status, DriveStatus.wantsData)
            _ = machine.readData(count: 512)
            machine.command48(Opcode.readSectorsExt, lba: Self.lastAddress48, count: 1)
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
            XCTAssertEqual(machine.identify()[IdentifyWord.sectors28.lowerBound], 0)
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
        // The signature of a master boot record.
        record[510...511] = [0x55, 0xAA]
        // The second entry is in use: it ends on head 7 and sector 32. Bits 7:6 of the sector are those of a
        // cylinder.
        let entry = 446 + 16
        let (lastHead, lastSector, sectorCount) = (entry + 5, entry + 6, entry + 12)
        record[lastHead] = 7
        record[lastSector] = 32 | 0xC0
        record[sectorCount] = 1
        let image = try TemporaryImage(size: 8 << 20, content: record)
        let machine = try TestMachine()
        try machine.attach(image.path)
        var words = machine.identify()
        XCTAssertEqual(defaultGeometry(words), [64, 8, 32])
        // 255 heads are a BIOS translation, no physical geometry.
        record[lastHead] = 254
        let other = try TemporaryImage(size: 8 << 20, content: record)
        try machine.attach(other.path, to: .primarySlave)
        words = machine.identify(device: DeviceSelect.slave)
        XCTAssertEqual(defaultGeometry(words), [16, 16, 63])
        XCTAssertEqual(
            words[IdentifyWord.hardwareReset], 0x6100, "device 1 answers in its own byte")
        let chosen = try TemporaryImage(size: 8 << 20, content: record)
        try machine.attach(
            chosen.path, to: .secondaryMaster,
            DiskOptions(geometry: DiskGeometry(cylinders: 10, heads: 2, sectors: 9)))
        let base = ChannelPort.secondary
        machine.outb(base + CommandBlock.command, Opcode.identifyDevice)
        words = (0..<256).map { _ in
            UInt16(machine.controller.readPort(base + CommandBlock.data, width: 2))
        }
        XCTAssertEqual(defaultGeometry(words), [10, 2, 9])
    }

    /// The default geometry, the current one, and the sectors of the current one.
    private func geometry(_ words: [UInt16]) -> [Int] {
        let current = words[IdentifyWord.currentGeometry].map(Int.init)
        return defaultGeometry(words).map(Int.init) + current[..<3] + [
            current[3] | current[4] << 16
        ]
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
            Opcode.dataSetManagement, Opcode.recalibrate, Opcode.readSectors,
            Opcode.readSectorsNoRetry, Opcode.readSectorsExt, Opcode.readDMAExt,
            Opcode.readNativeMaxAddressExt, Opcode.readMultipleExt, Opcode.writeSectors,
            Opcode.writeSectorsNoRetry, Opcode.writeSectorsExt, Opcode.writeDMAExt,
            Opcode.writeMultipleExt, Opcode.writeDMAFUAExt, Opcode.readVerify,
            Opcode.readVerifyNoRetry, Opcode.readVerifyExt, Opcode.seek,
            Opcode.executeDeviceDiagnostic, Opcode.initializeDeviceParameters,
            Opcode.retiredStandbyImmediate, Opcode.retiredIdleImmediate, Opcode.retiredStandby,
            Opcode.retiredIdle, Opcode.retiredCheckPowerMode, Opcode.retiredSleep, Opcode.smart,
            Opcode.readMultiple, Opcode.writeMultiple, Opcode.setMultipleMode, Opcode.readDMA,
            Opcode.readDMANoRetry, Opcode.writeDMA, Opcode.writeDMANoRetry,
            Opcode.writeMultipleFUAExt, Opcode.standbyImmediate, Opcode.idleImmediate,
            Opcode.standby, Opcode.idle, Opcode.readBuffer, Opcode.checkPowerMode, Opcode.sleep,
            Opcode.flushCache, Opcode.writeBuffer, Opcode.flushCacheExt, Opcode.identifyDevice,
            Opcode.setFeatures, Opcode.securityFreezeLock, Opcode.readNativeMaxAddress,
        ]
        try forEachMachine(over: MachineConfiguration.engines.filter { $0.bounce == .usual }) {
            machine in
            for opcode in UInt8.min...UInt8.max {
                let isSMART = opcode == Opcode.smart
                let features =
                    switch opcode {
                    case Opcode.smart: SMARTFeature.returnStatus
                    case Opcode.setFeatures: Feature.enableWriteCache
                    default: UInt8(DataSetManagement.trim)
                    }
                machine.outb(IDEPort.device, DeviceSelect.master | DeviceSelect.lba)
                for byte: UInt8 in [0, 1] {
                    machine.outb(IDEPort.features, byte * features)
                    machine.outb(IDEPort.count, byte)
                    machine.outb(IDEPort.lbaLow, 0)
                    machine.outb(IDEPort.lbaMid, isSMART ? byte * SMARTKey.lbaMid : 0)
                    machine.outb(IDEPort.lbaHigh, isSMART ? byte * SMARTKey.lbaHigh : 0)
                }
                machine.outb(IDEPort.command, opcode)
                machine.settle()
                let isKnown = known.contains(opcode)
                if isKnown {
                    XCTAssertEqual(machine.alternateStatus & DriveStatus.errorBit, 0, hex(opcode))
                } else {
                    XCTAssertTrue(machine.irq, hex(opcode))
                    XCTAssertEqual(
                        [machine.alternateStatus, machine.error],
                        [DriveStatus.failed, DriveError.aborted], hex(opcode))
                }
                if isKnown { machine.sample(hex(opcode)) }
                machine.control(DeviceControlBits.softwareReset)
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
