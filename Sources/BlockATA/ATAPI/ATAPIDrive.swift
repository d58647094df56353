package import BlockHost
import BlockIO
import Glibc
import GuestMemory

/// A CD/DVD-ROM drive that is connected to a carrier, which uses it as an ``AttachedDrive``. Commands
/// are carried out by ``PacketExecution``, one at a time, whatever its tag.
package struct ATAPIDrive: ~Copyable {
    package let state: StablePointer<State>

    /// Most sectors that one host request reads into the buffer: as many as a PIO burst of 65534
    /// bytes can touch.
    package static let bufferSectors = 33
    /// Bytes in the drive's buffer; also enough for the longest parameter list, 65535.
    package static let bufferSize = bufferSectors * RawSector.size

    /// The state of a drive.
    ///
    /// `@safe`, because the drive outlives the calls that use its pointers, and whoever follows one
    /// says so.
    @safe package struct State {
        let core: DriveCore
        package let cdrom: CDROM
        /// Where the guest writes a packet to.
        package let packetBuffer: DriveBuffer
        /// Elements of a vectored request that skips the fields around the user data of sectors.
        let vectors: UnsafeMutablePointer<iovec>
        /// The tag of the command that was given last.
        var tag = 0
        package var job = PacketJob()
        package var packet = CommandPacket()
        package var sense = Sense.none
        /// Why the transfer under way fails, once its piece has been given back.
        var failure: Sense?
        package var tray = Tray()
        package var settings = ATAPISettings()
        /// Where the last read ended.
        package var lastBlock: UInt32 = 0
        /// The disc, also while the tray is open.
        package var medium: CDMedium?
        /// A removed disc that still has a host request under way.
        var retiring: CDMedium?
        /// DEVICE RESET, with this tag, waits for the host.
        var resetTag: Int?
        /// The piece of the transfer under way, when the drive fills it.
        var cursor = DMAPieceCursor()
        /// The piece, when it is read from raw sectors.
        var spread = SpreadPiece()

        fileprivate init(_ cdrom: CDROM, _ connection: DriveConnection) {
            core = DriveCore(connection, bufferSize: ATAPIDrive.bufferSize)
            self.cdrom = cdrom
            packetBuffer = DriveBuffer(count: 16, alignment: 16)
            unsafe vectors = .allocate(capacity: SpreadPiece.capacity)
            unsafe vectors.initialize(repeating: iovec(), count: SpreadPiece.capacity)
            medium = cdrom.medium
        }

        @unsafe fileprivate func deallocate() {
            unsafe core.deallocate()
            unsafe packetBuffer.deallocate()
            unsafe vectors.deallocate()
        }

        /// Data of PIO reads, sectors with more than their user data, parameter lists.
        package var buffer: DriveBuffer { core.buffer }
    }

    /// Takes the drive, which nobody else may use until this is released.
    package init(_ cdrom: CDROM, _ connection: DriveConnection) {
        cdrom.isPluggedIn = true
        state = StablePointer(allocating: State(cdrom, connection))
    }

    deinit {
        // The carrier has waited until the drive is not busy.
        state.pointee.cdrom.isPluggedIn = false
        unsafe state.pointee.deallocate()
        unsafe state.destroy()
    }

    /// The queue of the disc, or of a removed disc that still has a host request under way.
    var queue: BlockQueue? { (state.pointee.retiring ?? state.pointee.medium)?.queue }

    // MARK: Resets

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
        // At power-on the guest has not seen another medium.
        state.pointee.tray.event = .none
        state.pointee.tray.change = .none
    }

    // MARK: Commands

    /// The drive at work on the command of a tag, which is less than the connection's number of tags.
    func at(_ tag: Int, _ carrier: any ATACarrier) -> PacketExecution {
        // As numbers without a sign: one comparison.
        let tags = UInt(bitPattern: state.pointee.core.connection.tags)
        precondition(UInt(bitPattern: tag) < tags, "a tag that the drive does not have")
        return PacketExecution(state: state, tag: tag, carrier: carrier)
    }

    /// Delivers what the queue has completed, and returns how many requests that were.
    func poll(on carrier: any ATACarrier) -> Int {
        guard let queue else { return 0 }
        let count = queue.poll { completion in
            // Before the command ends: its interrupt may lead to a request on the disc that is there now.
            if state.pointee.retiring?.queue === queue { state.pointee.retiring = nil }
            at(Int(bitPattern: completion.userData), carrier).requestCompleted(completion)
        }
        if let tag = state.pointee.resetTag { at(tag, carrier).showSignatureUnlessBusy() }
        return count
    }
}
