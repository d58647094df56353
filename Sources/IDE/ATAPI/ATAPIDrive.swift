import BlockIO
import Glibc
import GuestMemory

/// A CD/DVD-ROM drive that is plugged in: carries out packet commands on the disc in it.
final class ATAPIDrive: IDEDrive {
    let cdrom: CDROM
    let slot: IDESlot
    /// Lets go of this when the controller goes.
    let channel: IDEChannel
    let registers: UnsafeMutablePointer<DriveRegisters>
    let state: UnsafeMutablePointer<State>
    /// What the host reads by PIO, sectors that need more than their user data, parameter lists.
    let buffer: UnsafeMutableRawPointer
    /// Where the host writes a packet to.
    let packetBuffer: UnsafeMutableRawPointer
    /// For user data that goes between the other fields of sectors, and for that which comes from
    /// between them.
    let vectors: UnsafeMutablePointer<iovec>

    /// Sectors that the host is asked for at a time but for DMA without a copy: so many does a PIO
    /// burst of 65534 bytes touch.
    static let bufferSectors = 33
    /// Bytes in ``buffer``; also enough for the longest parameter list, 65535.
    static let bufferSize = bufferSectors * RawSector.size

    struct State {
        var job = PacketJob()
        var packet = CommandPacket()
        var sense = Sense.none
        var tray = Tray()
        var settings = ATAPISettings()
        /// Where the last read ended.
        var lastBlock: UInt32 = 0
        /// The disc, also while the tray is open.
        var medium: CDMedium?
        /// A disc that is not there any more but for the host request under way.
        var retiring: CDMedium?
        /// The host has a request of this drive.
        var isInFlight = false
        /// Nobody wants to hear of that request any more.
        var isAbandoned = false
        /// The bus master was stopped with the transfer under way.
        var isStopped = false
        /// DEVICE RESET waits for the host.
        var isDeviceResetting = false
        /// The transfer under way; alive until it is done.
        var transfer: Unmanaged<DMATransfer>?
        /// Its piece, when the drive fills it.
        var cursor = DMAPieceCursor()
        /// Its piece, when it is read from raw sectors.
        var spread = SpreadPiece()
    }

    init(_ cdrom: CDROM, slot: IDESlot, channel: IDEChannel) {
        self.cdrom = cdrom
        self.slot = slot
        self.channel = channel
        registers = channel.registers + slot.device
        buffer = .allocate(byteCount: Self.bufferSize, alignment: 4096)
        buffer.initializeMemory(as: UInt8.self, repeating: 0, count: Self.bufferSize)
        packetBuffer = .allocate(byteCount: 16, alignment: 16)
        packetBuffer.initializeMemory(as: UInt8.self, repeating: 0, count: 16)
        vectors = .allocate(capacity: SpreadPiece.capacity)
        vectors.initialize(repeating: iovec(), count: SpreadPiece.capacity)
        state = .allocate(capacity: 1)
        state.initialize(to: State())
        state.pointee.medium = cdrom.medium
    }

    deinit {
        // The controller has drained the queue.
        cdrom.isPluggedIn = false
        state.deinitialize(count: 1)
        state.deallocate()
        buffer.deallocate()
        packetBuffer.deallocate()
        vectors.deallocate()
    }

    var signature: Signature { .packet }
    var queue: BlockQueue? { (state.pointee.retiring ?? state.pointee.medium)?.queue }
    var descriptor: CInt? { cdrom.descriptors.descriptor }
    var isBusy: Bool { state.pointee.isInFlight || state.pointee.transfer != nil }

    /// The disc that can be used: the tray is closed on it.
    var disc: Disc? { state.pointee.tray.isOpen ? nil : state.pointee.medium?.disc }

    // MARK: How commands end

    /// A packet command has ended well.
    func succeed(interrupt: Bool = true) {
        showReason(InterruptReason.status)
        end(status: Status.good, error: 0)
        if interrupt { channel.raiseInterrupt() }
    }

    /// A packet command has failed, and REQUEST SENSE says why (SFF-8020i 7.1.3).
    func fail(_ sense: Sense) {
        state.pointee.sense = sense
        showReason(InterruptReason.status)
        end(status: Status.failed, error: sense.errorRegister)
        channel.raiseInterrupt()
    }

    /// A packet command has ended without a word of its own: ABRT (ATA/ATAPI-6 8.23.6).
    func abort() {
        showReason(InterruptReason.status)
        refuse()
    }

    /// A command that is no packet has ended well.
    func accept() {
        end(status: Status.good, error: 0)
        channel.raiseInterrupt()
    }

    /// A command is not carried out.
    func refuse() {
        end(status: Status.failed, error: ErrorBits.aborted)
        channel.raiseInterrupt()
    }

    /// As ``accept()``, but the host asks for nothing more.
    func endSilently() { end(status: Status.good, error: 0) }

    private func end(status: UInt8, error: UInt8) {
        state.pointee.job = PacketJob()
        registers.pointee.window.close()
        registers.pointee.status = status
        registers.pointee.error = error
        channel.router.note(.status(slot, status: status, error: error))
    }

    func showReason(_ reason: UInt8) {
        let count = registers.pointee.taskFile.count.current
        registers.pointee.taskFile.count.current = count & ~InterruptReason.mask | reason
    }

    // MARK: Resets

    func abandon() {
        state.pointee.job = PacketJob()
        state.pointee.isStopped = false
        state.pointee.isDeviceResetting = false
        guard isBusy else { return }
        if let transfer = state.pointee.transfer,
            transfer._withUnsafeGuaranteedRef({ $0.cancel() }) != nil
        {
            state.pointee.transfer = nil
        }
        state.pointee.isAbandoned = isBusy
    }

    func softwareReset() {
        state.pointee.tray.isLocked = false
        state.pointee.sense = .none
        state.pointee.settings.softwareReset()
    }

    func powerOnReset() {
        state.pointee.sense = .none
        state.pointee.settings = ATAPISettings()
        state.pointee.lastBlock = 0
        state.pointee.tray.isLocked = false
        // Who has just begun to look has not seen any other medium.
        state.pointee.tray.event = .none
        state.pointee.tray.change = .none
    }

    /// DEVICE RESET (ATA/ATAPI-6 8.10) ends what the drive does, also what it does by itself.
    func deviceReset() {
        if registers.pointee.isArmed || isBusy {
            registers.pointee.isArmed = false
            channel.state.pointee.busMaster.finish()
        }
        abandon()
        state.pointee.tray.isLocked = false
        state.pointee.sense = .none
        registers.pointee.window.close()
        registers.pointee.status = Status.busy
        state.pointee.isDeviceResetting = true
        finishDeviceReset()
    }

    /// Once the host is done. There is no interrupt. DEV alone survives in the device register (9.12).
    func finishDeviceReset() {
        guard state.pointee.isDeviceResetting, !isBusy else { return }
        state.pointee.isDeviceResetting = false
        registers.pointee.show(signature)
        registers.pointee.taskFile.device &= DeviceRegister.alwaysSet | DeviceRegister.device
    }
}
