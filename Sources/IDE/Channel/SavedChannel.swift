/// The registers of a channel out of a saved state, and what holds between them and the two drives.
struct SavedChannel {
    let selected: Int
    let deviceControl: UInt8
    let isInterruptPending: Bool
    let isResetting: Bool
    let busMaster: BusMaster
    let isTableLonger: Bool
    let isDetached: Bool
    /// Entries of the descriptor table that was read last.
    let table: [UInt64]

    init(_ reader: inout StateReader) throws(IDEError) {
        selected = Int(try reader.take(0...1 as ClosedRange<UInt8>, "DEV"))
        deviceControl = try reader.take()
        isInterruptPending = try reader.take()
        isResetting = try reader.take()
        busMaster = try BusMaster(&reader)
        isTableLonger = try reader.take()
        isDetached = try reader.take()
        table = try Self.takeTable(&reader)
        // A reset is over when SRST is 0 and the host has ended, and it has.
        guard isResetting == (deviceControl & DeviceControl.softwareReset != 0),
            !isResetting || !isInterruptPending
        else { throw .damagedState("a reset that cannot be") }
    }

    private static func takeTable(_ reader: inout StateReader) throws(IDEError) -> [UInt64] {
        let saved = try reader.takeData(limit: 8 * PRDTable.maximumEntries)
        guard saved.count % 8 == 0 else { throw .damagedState("a part of a table entry") }
        return stride(from: saved.startIndex, to: saved.endIndex, by: 8).map { start in
            saved[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    /// The level of INTRQ.
    var isRaised: Bool {
        isInterruptPending && deviceControl & DeviceControl.interruptsOff == 0
    }

    /// Whether the registers of an absent drive are those of one.
    func checkAbsent(_ registers: DriveRegisters) throws(IDEError) {
        guard registers.status == 0, registers.error == 0, !registers.isArmed else {
            throw .damagedState("an absent drive has a command")
        }
        try checkDevice(registers)
    }

    /// Both drives take what is written to the device register.
    private func checkDevice(_ registers: DriveRegisters) throws(IDEError) {
        guard (registers.taskFile.device & DeviceRegister.device != 0) == (selected == 1) else {
            throw .damagedState("a drive does not know which one is selected")
        }
    }

    /// Whether the registers of a drive agree with what it does, and with the channel.
    func check(
        _ registers: DriveRegisters, of device: Int, signature: Signature,
        _ activity: SavedDrive.Activity
    ) throws(IDEError) {
        try checkDevice(registers)
        let status = registers.status
        // The drive that is not selected has nothing to do.
        var isGood = activity == .idle || (selected == device && !isResetting)
        switch activity {
        case .idle:
            isGood =
                isGood
                && (isResetting
                    ? status == Status.busy
                    : [Status.good, Status.failed, signature.status].contains(status))
        case .movingData: isGood = isGood && status == Status.wantsData
        case .armed: isGood = isGood && status == Status.wantsData && !busMaster.isActive
        case .parked: isGood = isGood && status == Status.working
        case .parkedTransfer(let bytes):
            isGood = isGood && status == Status.working && busMaster.isActive && !isDetached
            isGood = isGood && PRDTable.bytes(described: table) >= bytes
        }
        guard isGood, registers.isArmed == (activity == .armed) else {
            throw .damagedState("status \(status) of a drive that is \(activity)")
        }
    }
}
