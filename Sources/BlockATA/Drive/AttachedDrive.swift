package import BlockHost
package import BlockIO
package import GuestMemory

/// A place for a drive, as a carrier uses it. ``ATACarrier`` says how the two work together.
///
/// A carrier names the command by its tag, and itself, in each call. Whatever touches a medium is
/// asynchronous: the drive shows BSY until the host has answered, which it learns in ``poll(on:)``.
package enum AttachedDrive: ~Copyable {
    /// There is no drive.
    case absent
    /// A disk.
    case disk(ATADrive)
    /// A drive with the PACKET feature set.
    case packet(ATAPIDrive)

    /// The signature of the drive; `nil` without a drive.
    package var signature: Signature? {
        switch self {
        case .absent: nil
        case .disk: .disk
        case .packet: .packet
        }
    }

    /// The queue that its requests are on; `nil` when it has no medium.
    package var queue: BlockQueue? {
        switch self {
        case .absent: nil
        case .disk(let drive): drive.state.pointee.disk.queue
        case .packet(let drive): drive.queue
        }
    }

    /// Readable when ``poll(on:)`` has something to deliver; the same as long as the drive is attached.
    package var descriptor: CInt? {
        switch self {
        case .absent: nil
        case .disk(let drive): drive.state.pointee.disk.queue.descriptor
        case .packet(let drive): drive.state.pointee.cdrom.descriptors.descriptor
        }
    }

    /// The state of a disk.
    package var diskState: StablePointer<ATADrive.State>? {
        switch self {
        case .absent: nil
        case .packet: nil
        case .disk(let drive): drive.state
        }
    }

    /// The state of a drive with the PACKET feature set.
    package var packetState: StablePointer<ATAPIDrive.State>? {
        switch self {
        case .absent: nil
        case .disk: nil
        case .packet(let drive): drive.state
        }
    }

    private var core: DriveCore? {
        switch self {
        case .absent: nil
        case .disk(let drive): drive.state.pointee.core
        case .packet(let drive): drive.state.pointee.core
        }
    }

    /// Whether the host may still touch memory for a command of the drive.
    package var isBusy: Bool { core?.isBusy ?? false }

    // MARK: Commands

    /// A command is in the registers of `tag`, and the drive is not occupied with it.
    package func execute(_ command: UInt8, tag: Int, on carrier: any ATACarrier) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.at(tag, carrier).execute(command)
        case .packet(let drive): drive.at(tag, carrier).execute(command)
        }
    }

    /// Whether the drive accepts a command while it is occupied with another one. DEVICE RESET is
    /// such a command.
    package func interrupts(_ command: UInt8) -> Bool {
        switch self {
        case .absent: false
        case .disk: false
        case .packet: command == ATAPICommand.deviceReset.rawValue
        }
    }

    /// The guest has moved all of the window, and the carrier has closed it.
    package func windowClosed(tag: Int, on carrier: any ATACarrier) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.at(tag, carrier).windowClosed()
        case .packet(let drive): drive.at(tag, carrier).windowClosed()
        }
    }

    // MARK: Transfers

    /// The carrier has begun the transfer of an armed command, with this first step.
    package func begin(
        _ transfer: DMATransfer, _ step: DMAStep, tag: Int, on carrier: any ATACarrier
    ) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.at(tag, carrier).begin(transfer, step)
        case .packet(let drive): drive.at(tag, carrier).begin(transfer, step)
        }
    }

    /// The carrier begins no transfer for an armed command.
    package func refuse(_ refusal: TransferRefusal, tag: Int, on carrier: any ATACarrier) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.at(tag, carrier).refuse(refusal)
        case .packet(let drive): drive.at(tag, carrier).refuse(refusal)
        }
    }

    /// Goes on with a transfer that has waited for memory, if it is that of the command.
    package func resume(
        _ transfer: DMATransfer, _ step: DMAStep, tag: Int, on carrier: any ATACarrier
    ) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.at(tag, carrier).resume(transfer, step)
        case .packet(let drive): drive.at(tag, carrier).resume(transfer, step)
        }
    }

    /// The guest stops the transfer of a command, if one is under way. The host completes the
    /// request that it already has; this call does not wait for it.
    package func stop(tag: Int, on carrier: any ATACarrier) {
        switch self {
        case .absent: break
        case .disk(let drive): drive.at(tag, carrier).stop()
        case .packet(let drive):
            // There is one command, that of the last tag.
            if tag == drive.state.pointee.tag { drive.at(tag, carrier).stop() }
        }
    }

    // MARK: The host

    /// Delivers what the queue has completed, and returns how many requests that were.
    package func poll(on carrier: any ATACarrier) -> Int {
        switch self {
        case .absent: 0
        case .disk(let drive): drive.poll(on: carrier)
        case .packet(let drive): drive.poll(on: carrier)
        }
    }

    /// Carries out again the commands that policy ``BlockDMA/ErrorPolicy/stop`` has kept. Commands
    /// with a transfer are armed by this.
    package func retry(on carrier: any ATACarrier) {
        switch self {
        case .absent: break
        case .disk(let drive):
            for tag in 0..<drive.state.pointee.core.connection.tags {
                drive.at(tag, carrier).retry()
            }
        case .packet(let drive): drive.at(drive.state.pointee.tag, carrier).retry()
        }
    }

    // MARK: The medium

    /// The emulator's user opens the tray of a drive with the PACKET feature set and takes the medium
    /// out. Throws ``ATAError/mediumLocked`` while the guest prevents it.
    package func eject() throws(ATAError) {
        switch self {
        case .absent: break
        case .disk: break
        case .packet(let drive): try drive.eject()
        }
    }

    /// The emulator's user puts another medium into a drive with the PACKET feature set, or takes it out,
    /// and closes the tray. Throws as ``eject()``.
    package func changeMedium(_ medium: CDMedium?) throws(ATAError) {
        switch self {
        case .absent: break
        case .disk: break
        case .packet(let drive): try drive.changeMedium(medium)
        }
    }

    // MARK: Resets

    /// Drops all commands. Host requests that have been submitted complete later, see ``isBusy``,
    /// and the carrier is not told of them.
    package func abandon(on carrier: any ATACarrier) {
        switch self {
        case .absent: break
        case .disk(let drive):
            for tag in 0..<drive.state.pointee.core.connection.tags {
                drive.at(tag, carrier).abandon()
            }
        case .packet(let drive):
            for tag in 0..<drive.state.pointee.core.connection.tags {
                drive.at(tag, carrier).abandon()
            }
            drive.state.pointee.resetTag = nil
        }
    }

    /// Settings that a software reset changes (ATA/ATAPI-6 9.2).
    package func softwareReset() {
        switch self {
        case .absent: break
        case .disk(let drive): drive.softwareReset()
        case .packet(let drive): drive.softwareReset()
        }
    }

    /// All settings as at power-on.
    package func powerOnReset() {
        switch self {
        case .absent: break
        case .disk(let drive): drive.powerOnReset()
        case .packet(let drive): drive.powerOnReset()
        }
    }
}
