import BlockATA
import BlockDMA
import BlockHost
import GuestMemory

/// One of the two channels: two devices, the registers that lead to them, and a bus master.
///
/// The registers of both devices are kept here, present or not; what a device does with them is the
/// business of its ``AttachedDrive``. One command at a time is under way on a channel, with tag 0.
final class IDEChannel {
    /// 0 for the primary channel, 1 for the secondary.
    let number: Int
    let router: InterruptRouter
    let mapper: DMAMapper
    /// Device 0 and device 1. They go before their registers.
    let drives = DevicePair { AttachedDrive.absent }
    /// Of device 0 and device 1.
    let registers = DevicePair { DriveRegisters() }
    let state: StablePointer<State>

    struct State: ~Copyable {
        /// Which of the two drives are there.
        var isPresent = (device0: false, device1: false)
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
        /// The transfer that fetches a descriptor table from another process.
        var fetch: TransferReference?
        /// The address of that table; `nil` once the bus master has been stopped, because the guest may
        /// change the table before the next start.
        var fetchedTable: UInt32?
        var accounts = Accounts()
    }

    /// The tag of every command.
    static let tag = 0

    init(number: Int, router: InterruptRouter, mapper: DMAMapper) {
        self.number = number
        self.router = router
        self.mapper = mapper
        state = StablePointer(allocating: State())
    }

    deinit { unsafe state.destroy() }

    // MARK: Drives

    func hasDrive(_ device: Int) -> Bool {
        device == 0 ? state.pointee.isPresent.device0 : state.pointee.isPresent.device1
    }

    /// How a drive that becomes a device of this channel is connected.
    func connection(_ device: Int) -> DriveConnection {
        // ATA/ATAPI-6 8.15.53, 8.16.40: an 80-conductor cable; device 0 and device 1 answer in their
        // own byte.
        unsafe DriveConnection(
            device: device, tags: 1, registers: registers.address(device),
            cable: device == 0 ? 0x6001 : 0x6100)
    }

    func setDrive(_ device: Int, _ drive: consuming AttachedDrive) {
        drives[device] = drive
        if device == 0 {
            state.pointee.isPresent.device0 = true
        } else {
            state.pointee.isPresent.device1 = true
        }
        if let signature = drives[device].signature { registers[device].show(signature) }
    }

    /// A channel without any drive answers 0 to everything.
    var isEmpty: Bool { !hasDrive(0) && !hasDrive(1) }

    /// Whether the host may still touch memory for a drive of this channel.
    var isBusy: Bool {
        drives[0].isBusy || drives[1].isBusy || state.pointee.fetch != nil
    }

    // MARK: Waiting

    /// Goes on with transfers that waited for memory and with a reset, after the drives' queues
    /// have been polled. Returns how many transfers went on.
    @inline(__always)
    func resumeWaiting() -> Int {
        var count = 0
        if mapper.isWaiting { count = resumeTransfers() }
        if state.pointee.isResetting { showSignaturesUnlessBusy() }
        return count
    }

    @inline(never)
    private func resumeTransfers() -> Int {
        var count = 0
        mapper.resume { transfer, step in
            if !resumeFetch(transfer, step) {
                for device in 0..<2 {
                    drives[device].resume(transfer, step, tag: Self.tag, on: self)
                }
            }
            count &+= 1
        }
        return count
    }
}
