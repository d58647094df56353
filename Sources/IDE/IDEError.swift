import BlockATA
import BlockHost
public import BlockIO
internal import BlockState
public import GuestMemory

/// Errors of the caller of a controller. A guest cannot cause any of them.
@nonexhaustive
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
    /// The data is not a saved state, or is a damaged one: `field`, named with the structures
    /// around it, has a value that it cannot have. docs/state-format.md describes the fields.
    case damagedState(field: String, reason: String)
    /// The saved state is of a version of the format that this library does not read.
    case unknownVersion(UInt32, known: ClosedRange<UInt32>)
    /// The saved state is of a controller with another identity or other drives: `field`, named
    /// with the structures around it, does not fit this controller or drive.
    case otherHardware(field: String, reason: String)
    /// Guest memory cannot be reached with these options.
    case memory(GuestMemoryError)
    /// The image refused.
    case image(BlockError)
    /// The kernel refused, with this errno.
    case system(CInt)
}

extension IDEError {
    init(_ error: StateError) {
        self =
            switch error {
            case .damaged(let field, let reason): .damagedState(field: field, reason: reason)
            case .version(let found, let known): .unknownVersion(found, known: known)
            case .mismatch(let field, let reason): .otherHardware(field: field, reason: reason)
            }
    }

    /// What the drive in `slot` says.
    init(_ error: ATAError, _ slot: IDESlot) {
        self =
            switch error {
            case .invalidOption(let text): .invalidOption(text)
            case .mediumLocked: .mediumLocked(slot)
            case .image(let error): .image(error)
            case .system(let errno): .system(errno)
            }
    }
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
        case .damagedState(let field, let reason): "damaged state: \(field): \(reason)"
        case .unknownVersion(let version, let known):
            "state of version \(version); known are \(known.lowerBound) to \(known.upperBound)"
        case .otherHardware(let field, let reason): "state of other hardware: \(field): \(reason)"
        case .memory(let error): "guest memory: \(error)"
        case .image(let error): "\(error)"
        case .system(let errno): "\(errnoMessage(errno)) (errno \(errno))"
        }
    }
}
