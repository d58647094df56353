public import BlockATA
import BlockHost
public import BlockIO

// CD/DVD-ROM drives, and changes of their discs while the machine runs.
extension IDEController {
    /// Plugs a CD/DVD-ROM drive in, before the machine is started.
    public func attach(_ cdrom: CDROM, to slot: IDESlot) throws(IDEError) {
        try checkFree(slot, isPluggedIn: cdrom.isPluggedIn)
        let channel = channel(slot.channel)
        channel.setDrive(
            slot.device, .packet(ATAPIDrive(cdrom, channel.connection(slot.device))))
    }

    /// The CD/DVD-ROM drive in a slot.
    public func cdrom(in slot: IDESlot) -> CDROM? { packetDrive(in: slot)?.pointee.cdrom }

    /// The image of the disc that is in a drive, also while its tray is open.
    public func medium(in slot: IDESlot) -> BlockImage? {
        packetDrive(in: slot)?.pointee.medium?.image
    }

    /// Opens the tray of a drive and takes the disc out.
    ///
    /// Does not wait. A command that reads the disc fails when its host request has completed, and
    /// the image is closed then. Guests that poll for events are told.
    ///
    /// - Throws: ``IDEError/mediumLocked(_:)`` while the guest prevents the removal; the guest is
    ///   told of the request to eject. ``IDEError/notRemovable(_:)``.
    public func eject(_ slot: IDESlot) throws(IDEError) {
        guard cdrom(in: slot) != nil else { throw .notRemovable(slot) }
        do throws(ATAError) {
            try channel(slot.channel).drives[slot.device].eject()
        } catch {
            throw IDEError(error, slot)
        }
    }

    /// Puts another disc into a drive, or none, and closes the tray. Guests see the old disc go and
    /// the new one come, whether they poll for events or not.
    ///
    /// Waits no longer than it takes to read the image's first 37 KiB and to open a queue on it, see
    /// ``eject(_:)``.
    ///
    /// - Throws: as ``eject(_:)``, and ``IDEError/image(_:)`` or ``IDEError/invalidOption(_:)`` when
    ///   the image cannot be used; the old disc stays then.
    public func changeMedium(_ slot: IDESlot, to image: BlockImage?) throws(IDEError) {
        guard let cdrom = cdrom(in: slot) else { throw .notRemovable(slot) }
        do throws(ATAError) {
            var medium: CDMedium?
            if let image { medium = try CDMedium(image, cdrom.queueOptions, cdrom.descriptors) }
            try channel(slot.channel).drives[slot.device].changeMedium(medium)
        } catch {
            throw IDEError(error, slot)
        }
    }

    private func packetDrive(in slot: IDESlot) -> StablePointer<ATAPIDrive.State>? {
        channel(slot.channel).drives[slot.device].packetState
    }
}
