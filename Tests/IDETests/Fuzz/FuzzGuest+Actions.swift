import BlockIO
import IDE
@testable import TestSupport

// What a guest does, of its own accord or by mistake.
extension FuzzGuest {
    func act() {
        let base: UInt16 = oneIn(3) ? ChannelPort.secondary : ChannelPort.primary
        switch number(256) {
        case 0..<24: write(base + CommandBlock.features + UInt16(number(6)), value())
        case 24..<36: write(base + CommandBlock.command, command())
        case 36..<48: read(base + UInt16(number(8)), width: width())
        case 48..<60: moveData(base)
        case 60..<70: write(bus(base), one(BusMasterCommand.all))
        case 70..<80: makeTable(base)
        case 80..<84: write(bus(base) + UInt16(number(8)), value(), width: width())
        case 84..<88: read(bus(base) + UInt16(number(8)), width: width())
        case 88..<91: control(base)
        case 91..<96: write(base + UInt16(number(8)), value(), width: width())
        case 96..<98: write(ChannelPort.primary - 4 + UInt16(number(20)), value(), width: width())
        case 98..<128: diskCommand()
        case 128..<160: transfer()
        case 160..<186: packet()
        case 186..<212: packetTransfer()
        case 212..<236: step { $0.poll() }
        case 236..<244: step { $0.poll(timeout: .microseconds(200)) }
        case 244: machine.letGo()
        case 245: step { _ in machine.memory.peer.answer() }
        case 246..<249: resume()
        default: disturb()
        }
        if oneIn(8) { step { $0.poll() } }
    }

    func bus(_ base: UInt16) -> UInt16 {
        FuzzMachine.busMaster
            + (base == ChannelPort.secondary ? BusMasterRegister.secondChannel : 0)
    }

    private func width() -> Int { oneIn(32) ? number(9) - 1 : one([1, 2, 4]) }

    func resume() {
        machine.step = FuzzMachine.Step()
        machine.resume()
    }

    /// A drive of a kind, mostly: first port and device register.
    func drive(cdrom: Bool) -> (base: UInt16, device: UInt8) {
        let slots = cdrom ? machine.cdroms : machine.disks.map(\.slot)
        let slot = slots.isEmpty || oneIn(16) ? one(IDESlot.allCases) : one(slots)
        return (
            slot.rawValue < 2 ? ChannelPort.primary : ChannelPort.secondary,
            slot.rawValue & 1 == 0 ? DeviceSelect.master : DeviceSelect.slave
        )
    }

    /// Something in between, now and then.
    func stumble(_ base: UInt16) {
        guard oneIn(24) else { return }
        switch number(8) {
        case 0: control(base)
        case 1: write(bus(base), one(BusMasterCommand.all))
        case 2: write(base + CommandBlock.command, command())
        case 3: makeTable(base)
        case 4: moveData(base)
        case 5:
            let (master, slave, lba) = (DeviceSelect.master, DeviceSelect.slave, DeviceSelect.lba)
            write(base + CommandBlock.device, one([master, slave, master | lba, slave | lba]))
        case 6: read(base + CommandBlock.status)
        default: step { $0.poll() }
        }
    }

    // MARK: Registers

    private func command() -> UInt8 {
        let usual: [UInt8] = [
            Opcode.readDMA, Opcode.writeDMA, Opcode.readDMAExt, Opcode.writeDMAExt,
            Opcode.writeDMAFUAExt, Opcode.readSectors, Opcode.writeSectors, Opcode.readSectorsExt,
            Opcode.writeSectorsExt, Opcode.readMultiple, Opcode.writeMultiple,
            Opcode.readMultipleExt, Opcode.writeMultipleExt, Opcode.writeMultipleFUAExt,
            Opcode.readVerify, Opcode.readVerifyExt, Opcode.flushCache, Opcode.setFeatures,
            Opcode.setMultipleMode, Opcode.identifyDevice, Opcode.readBuffer, Opcode.writeBuffer,
            Opcode.smart, Opcode.executeDeviceDiagnostic, Opcode.seek, Opcode.readNativeMaxAddress,
            Opcode.readNativeMaxAddressExt, Opcode.packet, Opcode.identifyPacketDevice,
            Opcode.deviceReset, Opcode.checkPowerMode, Opcode.recalibrate,
        ]
        if oneIn(40) { return one([Opcode.dataSetManagement, Opcode.initializeDeviceParameters]) }
        return oneIn(8) ? UInt8(number(256)) : one(usual)
    }

    private func control(_ base: UInt16) {
        let usual = [
            0, DeviceControlBits.interruptDisable, DeviceControlBits.highOrderByte,
            DeviceControlBits.highOrderByte, DeviceControlBits.softwareReset,
        ]
        let value = oneIn(8) ? value() : UInt32(one(usual))
        write(base + CommandBlock.control, value)
        if oneIn(4) { stumble(base) }
        write(base + CommandBlock.control, oneIn(4) ? DeviceControlBits.interruptDisable : 0)
    }

    /// Registers that may well be those of a command.
    private func diskCommand() {
        let (base, device) = drive(cdrom: false)
        address(base, device)
        if oneIn(3) { address(base, device) }
        write(base + CommandBlock.command, command())
        if oneIn(2) { moveData(base) }
        if oneIn(4) { read(base + CommandBlock.status) }
    }

    private func address(_ base: UInt16, _ device: UInt8) {
        let lba = one([DeviceSelect.lba, DeviceSelect.lba, 0])
        write(
            base + CommandBlock.device, UInt32(device | lba) | (oneIn(16) ? value() & 15 : 0))
        write(base + CommandBlock.lbaHigh, oneIn(32) ? value() : 0)
        write(base + CommandBlock.lbaMid, oneIn(32) ? value() : UInt32(number(2)))
        write(base + CommandBlock.lbaLow, value())
        write(base + CommandBlock.count, oneIn(16) ? value() : UInt32(number(20)))
        if oneIn(8) {
            let subcommands = [
                UInt8(DataSetManagement.trim), Feature.enableWriteCache, Feature.setTransferMode,
                Feature.disableWriteCache, SMARTFeature.readData, SMARTFeature.readLog,
                Feature.disableReverting, Feature.enableReverting,
            ]
            write(base + CommandBlock.features, one(subcommands))
        }
    }

    // MARK: Data

    /// A string of words, as long as a block or not.
    func moveData(_ base: UInt16) {
        let width = one([1, 2, 2, 2, 4])
        let count = one([256, 256, 6, number(300), 1024, number(9000)])
        if count < 3 {
            read(base, width: width)
            return write(base, value(), width: width)
        }
        remember("string \(hex(base)) \(width) times \(count)")
        withUnsafeTemporaryAllocation(byteCount: width * count + number(3), alignment: 8) { bytes in
            bytes.initializeMemory(as: UInt8.self, repeating: UInt8(number(256)))
            if oneIn(2) {
                step { $0.transferBlock(from: base, width: width, into: bytes) }
            } else {
                step {
                    $0.transferBlock(to: base, width: width, from: UnsafeRawBufferPointer(bytes))
                }
            }
        }
    }

    /// As a driver does it, mostly.
    private func transfer() {
        let (base, device) = drive(cdrom: false)
        let isRead = oneIn(2)
        let start =
            isRead ? BusMasterCommand.startWritingMemory : BusMasterCommand.startReadingMemory
        let sectors = 1 + number(oneIn(4) ? 256 : 16)
        write(bus(base), BusMasterCommand.stop)
        write(bus(base) + BusMasterRegister.status, BusMasterStatus.interruptAndError)
        makeTable(base, bytes: oneIn(8) ? nil : sectors * 512)
        stumble(base)
        let startsFirst = oneIn(4)
        if startsFirst { write(bus(base), start) }
        address(base, device)
        write(base + CommandBlock.count, UInt32(sectors & 0xFF))
        let reads = [Opcode.readDMA, Opcode.readDMA, Opcode.readDMAExt]
        let writes = [
            Opcode.writeDMA, Opcode.writeDMA, Opcode.writeDMAExt, Opcode.writeDMAFUAExt,
            Opcode.dataSetManagement,
        ]
        write(base + CommandBlock.command, one(isRead ? reads : writes))
        stumble(base)
        if !startsFirst { write(bus(base), start) }
        finish(base)
    }

    /// Waits for the end of a command, or not.
    func finish(_ base: UInt16) {
        stumble(base)
        if oneIn(3) { step { $0.poll(timeout: .microseconds(500)) } }
        stumble(base)
        if oneIn(4) { machine.memory.peer.answer() }
        if oneIn(3) {
            write(bus(base), one([BusMasterCommand.stop, BusMasterCommand.stopWritingMemory]))
        }
        if oneIn(2) { read(bus(base) + BusMasterRegister.status) }
        if oneIn(2) { read(base + CommandBlock.status) }
    }

    // MARK: Tables

    /// Descriptors of all kinds; for `bytes` bytes, if that is said.
    func makeTable(_ base: UInt16, bytes: Int? = nil) {
        var words: [UInt32] = []
        var left = bytes ?? 0
        let most = oneIn(40) ? 600 : 1 + number(24)
        let isGood = oneIn(3)
        while words.count < 2 * most && (bytes == nil || left > 0) {
            var size = one([512, 512, 1024, 4096, 2, number(65536), oneIn(8) ? 65536 : 2048])
            if bytes != nil { size = min(size, left) }
            left -= size
            words.append(isGood ? UInt32(number(FuzzMemory.size / 2)) & ~511 : place())
            words.append(UInt32(size & 0xFFFF) | (oneIn(64) ? value() & 0x7FFF_0000 : 0))
        }
        if !words.isEmpty, !oneIn(24) { words[words.count - 1] |= 1 << 31 }
        let offset =
            oneIn(16)
            ? FuzzMemory.tablesSize - 4 * number(64) : 4 * number(FuzzMemory.tablesSize / 4 - 64)
        machine.memory.setTable(words, at: offset)
        var pointer = FuzzMemory.tables + UInt32(offset)
        if oneIn(16) { pointer = FuzzMemory.remote + UInt32(offset) }
        if oneIn(24) { pointer = place() }
        remember("table \(words.prefix(64).map { hex($0) })")
        if oneIn(8) {
            write(bus(base) + BusMasterRegister.table, pointer, width: 2)
            write(bus(base) + BusMasterRegister.table + 2, pointer >> 16, width: 2)
        } else {
            write(bus(base) + BusMasterRegister.table, pointer, width: 4)
        }
    }

    /// An address to move data to or from.
    private func place() -> UInt32 {
        switch number(43) {
        case 0: value()
        case 1: UInt32.max - UInt32(number(8192))
        case 2: FuzzMemory.hole - UInt32(number(2048))
        case 3: FuzzMemory.hole + 4096 - UInt32(number(2))
        case 4: UInt32(FuzzMemory.size - number(4096))
        case 5: FuzzMemory.tables + UInt32(number(FuzzMemory.tablesSize))
        case 6: FuzzMemory.flash + UInt32(number(FuzzMemory.flashSize - 4096))
        case 7...8: FuzzMemory.registers + UInt32(number(Int(FuzzMemory.deviceSize) - 8192))
        case 9: FuzzMemory.refusing + UInt32(number(8192))
        case 10: FuzzMemory.own + UInt32(number(16))
        case 11: FuzzMemory.leadingBack + UInt32(number(4096))
        case 40...42: FuzzMemory.remote + UInt32(number(FuzzMemory.tablesSize))
        // Often the same.
        case 12..<16: UInt32(number(16) * 512)
        default: UInt32(number(FuzzMemory.size))
        }
    }
}
