import GuestMemory

/// One of the two channels: two devices, the registers that lead to them, and a bus master.
///
/// The registers of both devices are kept here, present or not; what a device does with them is the
/// business of its ``IDEDrive``. One command at a time is under way on a channel.
final class IDEChannel {
    /// 0 for the primary channel, 1 for the secondary.
    let number: Int
    let router: InterruptRouter
    let mapper: DMAMapper
    /// Of device 0 and device 1.
    let registers: UnsafeMutablePointer<DriveRegisters>
    let state: UnsafeMutablePointer<State>

    struct State: ~Copyable {
        var drives: (device0: (any IDEDrive)?, device1: (any IDEDrive)?) = (nil, nil)
        /// DEV of the device register.
        var selected = 0
        var deviceControl: UInt8 = 0
        /// INTRQ, but for nIEN.
        var isInterruptPending = false
        /// From SRST or power-on until the signature is shown.
        var isResetting = false
        /// Bit 2 of the PCI command register.
        var isMasterEnabled = false
        var busMaster = BusMaster()
        var table = PRDTable()
        var list = ScatterGatherList(capacity: PRDTable.maximumEntries)
        /// The table of the transfer under way describes more than the command needs.
        var isTableLonger = false
        /// The bus master was stopped: the transfer under way no longer concerns ACTIVE.
        var isDetached = false
        /// Brings a descriptor table from another process.
        var fetch: Unmanaged<DMATransfer>?
        /// Which.
        var fetchedTable: UInt32 = 0
        var accounts = Accounts()
    }

    init(number: Int, router: InterruptRouter, mapper: DMAMapper) {
        self.number = number
        self.router = router
        self.mapper = mapper
        registers = .allocate(capacity: 2)
        registers.initialize(repeating: DriveRegisters(), count: 2)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
    }

    deinit {
        state.deinitialize(count: 1)
        state.deallocate()
        registers.deinitialize(count: 2)
        registers.deallocate()
    }

    func drive(_ device: Int) -> (any IDEDrive)? {
        device == 0 ? state.pointee.drives.device0 : state.pointee.drives.device1
    }

    func setDrive(_ device: Int, _ drive: any IDEDrive) {
        if device == 0 {
            state.pointee.drives.device0 = drive
        } else {
            state.pointee.drives.device1 = drive
        }
        (registers + device).pointee.show(drive.signature)
    }

    /// Drives hold their channel.
    func unplugAll() { state.pointee.drives = (nil, nil) }

    var selectedDrive: (any IDEDrive)? { drive(state.pointee.selected) }

    /// A channel without any drive answers 0 to everything.
    var isEmpty: Bool { drive(0) == nil && drive(1) == nil }

    /// Whether the host may still touch memory for a drive of this channel.
    var isBusy: Bool {
        drive(0)?.isBusy == true || drive(1)?.isBusy == true || state.pointee.fetch != nil
    }

    // MARK: Interrupt

    /// The selected device asserts INTRQ. With nIEN set the bus master never hears of it.
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

    /// nIEN takes the line away from the host without taking the interrupt back.
    func updateLine() {
        let isEnabled = state.pointee.deviceControl & DeviceControl.interruptsOff == 0
        router.set(channel: number, isRaised: state.pointee.isInterruptPending && isEnabled)
    }

    // MARK: Completions

    /// Delivers what the queues have completed; how much it was.
    func poll() -> Int {
        var count = drive(0)?.poll() ?? 0
        count &+= drive(1)?.poll() ?? 0
        mapper.resume { transfer, step in
            if !resumeFetch(transfer, step) {
                for device in 0..<2 { drive(device)?.resumeTransfer(transfer, step) }
            }
            count &+= 1
        }
        if state.pointee.isResetting { finishResetIfQuiet() }
        return count
    }
}
