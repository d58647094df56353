import BlockIO
import GuestMemory

/// A disk that is plugged in: carries out commands on its image.
final class ATADrive: IDEDrive {
    let disk: ATADisk
    /// Of the disk.
    let requests: BlockQueue
    let slot: IDESlot
    /// Lets go of this when the controller goes.
    let channel: IDEChannel
    let registers: UnsafeMutablePointer<DriveRegisters>
    let state: UnsafeMutablePointer<State>
    /// Data blocks, what VERIFY reads, and TRIM ranges.
    let buffer: UnsafeMutableRawPointer
    /// What WRITE BUFFER and READ BUFFER share (ATA/ATAPI-6 8.24).
    let sectorBuffer: UnsafeMutableRawPointer

    /// Bytes in ``buffer``: more than the largest data block, and a good step for VERIFY.
    static let bufferSize = 64 << 10

    struct State {
        var settings: DiskSettings
        var job = DiskJob()
        /// The command under way, and the registers that came with it.
        var opcode: UInt8 = 0
        var parameters = TaskFile()
        var errorLog = SMARTErrorLog()
        var selfTests = SMARTSelfTestLog()
        /// The host has a request of this drive.
        var isInFlight = false
        /// Nobody wants to hear of that request any more.
        var isAbandoned = false
        /// The bus master was stopped with the transfer under way.
        var isStopped = false
        /// The transfer under way; alive until it is done.
        var transfer: Unmanaged<DMATransfer>?
    }

    init(_ disk: ATADisk, slot: IDESlot, channel: IDEChannel) {
        self.disk = disk
        requests = disk.queue
        self.slot = slot
        self.channel = channel
        registers = channel.registers + slot.device
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 4096)
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: Self.bufferSize)
        sectorBuffer = .allocate(byteCount: ATADisk.sectorSize, alignment: 16)
        sectorBuffer.initializeMemory(as: UInt8.self, repeating: 0, count: ATADisk.sectorSize)
        state = .allocate(capacity: 1)
        state.initialize(to: State(settings: DiskSettings(disk.geometry)))
    }

    deinit {
        // The controller has drained the queue.
        disk.isPluggedIn = false
        state.deinitialize(count: 1)
        state.deallocate()
        buffer.deallocate()
        sectorBuffer.deallocate()
    }

    var signature: Signature { .disk }
    var queue: BlockQueue? { requests }
    var descriptor: CInt? { requests.descriptor }
    var isBusy: Bool { state.pointee.isInFlight || state.pointee.transfer != nil }

    func interrupts(_ command: UInt8) -> Bool { false }

    // MARK: How commands end

    /// The command has ended well.
    func succeed(interrupt: Bool = true) {
        end(status: Status.good, error: 0)
        if interrupt { channel.raiseInterrupt() }
    }

    /// The command has ended with an error.
    func fail(_ error: UInt8) {
        end(status: Status.failed, error: error)
        channel.raiseInterrupt()
    }

    private func end(status: UInt8, error: UInt8) {
        state.pointee.job = DiskJob()
        registers.pointee.window.close()
        registers.pointee.status = status
        registers.pointee.error = error
        channel.router.note(.status(slot, status: status, error: error))
    }

    /// Offers a block of data to the host, or asks it for one.
    func open(_ direction: PIOWindow.Direction, count: Int) {
        registers.pointee.status = Status.wantsData
        registers.pointee.window.open(direction, buffer, count: count)
        channel.router.note(.status(slot, status: Status.wantsData, error: 0))
    }

    // MARK: Resets

    func abandon() {
        state.pointee.job = DiskJob()
        state.pointee.isStopped = false
        guard isBusy else { return }
        if let transfer = state.pointee.transfer,
            transfer._withUnsafeGuaranteedRef({ $0.cancel() }) != nil
        {
            state.pointee.transfer = nil
        }
        state.pointee.isAbandoned = isBusy
    }

    func softwareReset() {
        guard state.pointee.settings.revertsOnReset else { return }
        let old = state.pointee.settings
        var new = DiskSettings(disk.geometry)
        new.revertsOnReset = true
        new.isStandby = old.isStandby
        new.isSMARTOn = old.isSMARTOn
        new.isAutosaveOn = old.isAutosaveOn
        state.pointee.settings = new
    }

    func powerOnReset() {
        state.pointee.settings = DiskSettings(disk.geometry)
        sectorBuffer.initializeMemory(as: UInt8.self, repeating: 0, count: ATADisk.sectorSize)
    }
}
