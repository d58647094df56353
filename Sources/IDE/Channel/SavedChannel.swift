import BlockATA
internal import BlockState

/// What is saved of a channel, and what holds between its registers and the two drives.
struct SavedChannel {
    var selected = 0
    var deviceControl: UInt8 = 0
    var isInterruptPending = false
    var isResetting = false
    var busMaster = BusMaster()
    var isTableLonger = false
    var isDetached = false
    /// Entries of the descriptor table that was read last.
    var table: [UInt64] = []
    var devices = [SavedDevice(), SavedDevice()]

    /// The level of INTRQ.
    var isRaised: Bool {
        isInterruptPending && deviceControl & DeviceControl.interruptsOff == 0
    }

    /// Whether the registers of an absent drive are those of one.
    func checkAbsent(_ registers: DriveRegisters) throws(StateError) {
        guard registers.status == 0, registers.error == 0, !registers.isArmed else {
            throw .damaged(field: "registers", reason: "a drive that is absent has a command")
        }
        try checkDevice(registers)
    }

    /// Both drives take what is written to the device register.
    private func checkDevice(_ registers: DriveRegisters) throws(StateError) {
        guard (registers.taskFile.device & DeviceRegister.device != 0) == (selected == 1) else {
            throw .damaged(
                field: "registers.taskFile.device",
                reason: "bit 4 says another drive than `selected`")
        }
    }

    /// Whether the registers of a drive agree with what it does, and with the channel.
    func check(
        _ registers: DriveRegisters, of device: Int, signature: Signature,
        _ activity: DriveActivity
    ) throws(StateError) {
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
            throw .damaged(
                field: "registers", reason: "status \(status) does not go with \(activity)")
        }
    }
}

extension SavedChannel: StateFields {
    mutating func fields(_ codec: inout some StateCodec) throws(StateError) {
        try codec.number(&selected, "selected", as: UInt8.self, in: 0...1)
        try codec.number(&deviceControl, "deviceControl")
        try codec.flag(&isInterruptPending, "isInterruptPending")
        try codec.flag(&isResetting, "isResetting")
        // A reset ends when SRST is 0 and no host request is under way, and none is while a state
        // is saved.
        try codec.check(
            "isResetting", "bit 2 of `deviceControl`",
            isResetting == (deviceControl & DeviceControl.softwareReset != 0))
        try codec.check(
            "isInterruptPending", "0 if `isResetting`", !isResetting || !isInterruptPending)
        try codec.structure(&busMaster, "busMaster")
        try codec.flag(&isTableLonger, "isTableLonger")
        try codec.flag(&isDetached, "isDetached")
        try codec.numbers(&table, "table", atMost: PRDTable.maximumEntries)
        try codec.structures(&devices, "devices")
    }
}
