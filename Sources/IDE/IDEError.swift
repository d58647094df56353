import BlockHost
public import BlockIO
public import GuestMemory

/// What a caller can do wrong with a controller. Guests cannot cause any of it.
public enum IDEError: Error, Sendable, Hashable {
    /// The slot has a drive already.
    case slotTaken(IDESlot)
    /// The drive is plugged in somewhere already.
    case driveInUse
    /// The guest prevents the removal of the medium.
    case mediumLocked(IDESlot)
    /// There is no drive with a removable medium in the slot.
    case notRemovable(IDESlot)
    /// Host requests are under way and did not end in time.
    case busy
    /// An option is outside its documented range.
    case invalidOption(String)
    /// The saved state is damaged or no saved state at all.
    case damagedState(String)
    /// The saved state is of a later version of this library.
    case unknownVersion(UInt32)
    /// The saved state is of a controller with another identity or other drives.
    case otherHardware(String)
    /// Guest memory cannot be reached with these options.
    case memory(GuestMemoryError)
    /// The image refused.
    case image(BlockError)
    /// The kernel refused, with this errno.
    case system(CInt)
}

extension IDEError: CustomStringConvertible {
    /// One line for people.
    public var description: String {
        switch self {
        case .slotTaken(let slot): "\(slot) has a drive already"
        case .driveInUse: "the drive is plugged in already"
        case .mediumLocked(let slot): "the guest prevents the removal of the medium in \(slot)"
        case .notRemovable(let slot): "\(slot) has no drive with a removable medium"
        case .busy: "host requests are still under way"
        case .invalidOption(let text): text
        case .damagedState(let text): "damaged state: \(text)"
        case .unknownVersion(let version): "state of version \(version), which is not known here"
        case .otherHardware(let text): "state of other hardware: \(text)"
        case .memory(let error): "guest memory: \(error)"
        case .image(let error): "\(error)"
        case .system(let errno): "\(errnoMessage(errno)) (errno \(errno))"
        }
    }
}
