import BlockATA
import BlockHost

// The command and control blocks (ATA/ATAPI-6 7.2).
extension IDEChannel {
    /// Offsets in the command block.
    enum Offset {
        /// 7.6
        static let data = 0
        /// 7.9, or features (7.10) when written
        static let error = 1
        /// 7.14
        static let count = 2
        /// 7.12
        static let lbaLow = 3
        /// 7.13
        static let lbaMid = 4
        /// 7.11
        static let lbaHigh = 5
        /// 7.7
        static let device = 6
        /// 7.15, or command (7.4) when written
        static let status = 7
    }

    /// A register of the command block other than the data port.
    func read(_ offset: Int) -> UInt8 {
        if isEmpty { return 0 }
        if offset == Offset.status { lowerInterrupt() }
        let selected = registers.at(state.pointee.selected)
        if offset == Offset.device { return selected.pointee.taskFile.device }
        guard let answering = answeringDevice else { return 0 }
        let file = registers.at(answering)
        let showsPrevious = state.pointee.deviceControl & DeviceControl.highOrderByte != 0
        let register: TwoByteRegister
        switch offset {
        case Offset.error:
            return showsPrevious
                ? file.pointee.taskFile.features.previous : file.pointee.error
        case Offset.count: register = file.pointee.taskFile.count
        case Offset.lbaLow: register = file.pointee.taskFile.lbaLow
        case Offset.lbaMid: register = file.pointee.taskFile.lbaMid
        case Offset.lbaHigh: register = file.pointee.taskFile.lbaHigh
        default: return readAlternateStatus()
        }
        return showsPrevious ? register.previous : register.current
    }

    /// The device whose registers are seen: device 0 answers for an absent device 1 (9.16.1).
    private var answeringDevice: Int? {
        if hasDrive(state.pointee.selected) { return state.pointee.selected }
        return state.pointee.selected == 1 ? 0 : nil
    }

    /// Alternate status (7.3): status without the side effect.
    func readAlternateStatus() -> UInt8 {
        hasDrive(state.pointee.selected) ? registers[state.pointee.selected].status : 0
    }

    /// Writes a register of the command block other than the data port, of both devices. While the
    /// selected device is occupied, only a command that interrupts it is accepted.
    func write(_ offset: Int, _ value: UInt8) {
        if offset == Offset.status { return writeCommand(value) }
        if registers[state.pointee.selected].isOccupied { return }
        state.pointee.deviceControl &= ~DeviceControl.highOrderByte
        switch offset {
        case Offset.error: onTaskFiles { $0.features.push(value) }
        case Offset.count: onTaskFiles { $0.count.push(value) }
        case Offset.lbaLow: onTaskFiles { $0.lbaLow.push(value) }
        case Offset.lbaMid: onTaskFiles { $0.lbaMid.push(value) }
        case Offset.lbaHigh: onTaskFiles { $0.lbaHigh.push(value) }
        default:
            onTaskFiles { $0.device = value | DeviceRegister.alwaysSet }
            state.pointee.selected = value & DeviceRegister.device == 0 ? 0 : 1
        }
    }

    @inline(__always)
    private func onTaskFiles(_ body: (inout TaskFile) -> Void) {
        for device in 0..<2 { body(&registers[device].taskFile) }
    }

    @inline(never)
    private func writeCommand(_ value: UInt8) {
        lowerInterrupt()
        state.pointee.deviceControl &= ~DeviceControl.highOrderByte
        let device = state.pointee.selected
        guard hasDrive(device) else { return }
        let selected = registers.at(device)
        // During a reset no command is accepted, not even DEVICE RESET (9.2).
        if selected.pointee.isOccupied
            && (state.pointee.isResetting || !drives[device].interrupts(value))
        {
            return
        }
        router.note(
            .command(
                slot(device), opcode: value,
                features: selected.pointee.taskFile.features.word,
                count: selected.pointee.taskFile.count.word,
                address: selected.pointee.taskFile.address48))
        if value == ATACommand.executeDeviceDiagnostic.rawValue { return diagnose() }
        // Not required by the standard. QEMU clears it too, for Windows.
        selected.pointee.error = 0
        drives[device].execute(value, tag: Self.tag, on: self)
        startIfArmed()
    }

    /// Device control (7.8).
    func writeControl(_ value: UInt8) {
        let rose = value & ~state.pointee.deviceControl & DeviceControl.softwareReset != 0
        state.pointee.deviceControl = value
        updateLine()
        if rose { beginReset() }
        showSignaturesUnlessBusy()
    }

    // MARK: Interrupt (ATA/ATAPI-6 5.2.9, 7.8)

    /// The selected device asserts INTRQ. While nIEN is set, the interrupt is lost.
    @inline(__always)
    func raiseInterrupt() {
        guard state.pointee.deviceControl & DeviceControl.interruptsOff == 0 else { return }
        state.pointee.busMaster.noteInterrupt()
        state.pointee.isInterruptPending = true
        updateLine()
    }

    func lowerInterrupt() {
        guard state.pointee.isInterruptPending else { return }
        state.pointee.isInterruptPending = false
        updateLine()
    }

    /// nIEN lowers the line, and the interrupt stays pending.
    func updateLine() {
        let isEnabled = state.pointee.deviceControl & DeviceControl.interruptsOff == 0
        router.set(channel: number, isRaised: state.pointee.isInterruptPending && isEnabled)
    }

    func slot(_ device: Int) -> IDESlot {
        IDESlot(rawValue: number &* 2 &+ device) ?? .primaryMaster
    }
}

// The data port (7.6).
extension IDEChannel {
    /// One word; 0 when none is offered.
    @inline(never)
    func readData() -> UInt16 {
        let selected = registers.at(state.pointee.selected)
        let word = selected.pointee.window.takeWord()
        endWindow(selected)
        return word
    }

    /// One word; lost when none is wanted.
    @inline(never)
    func writeData(_ word: UInt16) {
        let selected = registers.at(state.pointee.selected)
        if selected.pointee.window.putWord(word) { endWindow(selected) }
    }

    /// As many words as `target` has room for, those that are not offered as zeroes. `target` has
    /// an even number of bytes.
    func readData(into target: UnsafeMutableRawBufferPointer) {
        var done = 0
        let selected = registers.at(state.pointee.selected)
        while done < target.count {
            let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: target[done...])
            let count = unsafe selected.pointee.window.take(into: rest)
            if count == 0 {
                unsafe rest.initializeMemory(as: UInt8.self, repeating: 0)
                return
            }
            done &+= count
            endWindow(selected)
        }
    }

    /// All words of `source`, as far as they are wanted. It has an even number of bytes.
    func writeData(from source: UnsafeRawBufferPointer) {
        var done = 0
        let selected = registers.at(state.pointee.selected)
        while done < source.count {
            let count = unsafe selected.pointee.window.put(
                from: UnsafeRawBufferPointer(rebasing: source[done...]))
            if count == 0 { return }
            done &+= count
            endWindow(selected)
        }
    }

    private func endWindow(_ selected: StablePointer<DriveRegisters>) {
        guard selected.pointee.window.direction != .none, selected.pointee.window.left == 0
        else { return }
        selected.pointee.window.close()
        drives[state.pointee.selected].windowClosed(tag: Self.tag, on: self)
        startIfArmed()
    }
}
