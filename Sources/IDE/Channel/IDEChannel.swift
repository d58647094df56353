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
        fileprivate var seats: (device0: Unmanaged<Seat>?, device1: Unmanaged<Seat>?) = (nil, nil)
        /// DEV of the device register.
        var selected = 0
        var deviceControl: UInt8 = 0
        /// INTRQ, but for nIEN.
        var isInterruptPending = false
        /// From SRST or power-on until the signature is shown.
        var isResetting = false
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

    /// Keeps a drive, so that it can be called without counting references.
    fileprivate final class Seat {
        let drive: any IDEDrive
        init(_ drive: any IDEDrive) { self.drive = drive }
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

    // MARK: Drives

    private func seat(_ device: Int) -> Unmanaged<Seat>? {
        device == 0 ? state.pointee.seats.device0 : state.pointee.seats.device1
    }

    func drive(_ device: Int) -> (any IDEDrive)? { seat(device)?.takeUnretainedValue().drive }

    /// Calls a drive, if there is one, which stays until ``unplugAll()``.
    @inline(__always)
    @discardableResult
    func onDrive<Result>(_ device: Int, _ body: (any IDEDrive) -> Result) -> Result? {
        seat(device)?._withUnsafeGuaranteedRef { body($0.drive) }
    }

    func hasDrive(_ device: Int) -> Bool { seat(device) != nil }

    func setDrive(_ device: Int, _ drive: any IDEDrive) {
        let seat = Unmanaged.passRetained(Seat(drive))
        if device == 0 {
            state.pointee.seats.device0 = seat
        } else {
            state.pointee.seats.device1 = seat
        }
        (registers + device).pointee.show(drive.signature)
    }

    /// Drives hold their channel.
    func unplugAll() {
        let seats = state.pointee.seats
        state.pointee.seats = (nil, nil)
        seats.device0?.release()
        seats.device1?.release()
    }

    /// A channel without any drive answers 0 to everything.
    var isEmpty: Bool { !hasDrive(0) && !hasDrive(1) }

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
        var count = onDrive(0) { $0.poll() } ?? 0
        count &+= onDrive(1) { $0.poll() } ?? 0
        if mapper.isWaiting { count &+= resumeTransfers() }
        if state.pointee.isResetting { finishResetIfQuiet() }
        return count
    }

    private func resumeTransfers() -> Int {
        var count = 0
        mapper.resume { transfer, step in
            if !resumeFetch(transfer, step) {
                for device in 0..<2 { drive(device)?.resumeTransfer(transfer, step) }
            }
            count &+= 1
        }
        return count
    }
}
