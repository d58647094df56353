internal import BlockState
public import BlockIO
public import GuestMemory

/// Errors of the caller of a device. What a guest does wrong is no error of a call, except for the
/// addresses of a ring (``ring(_:)``), which a transport passes on.
@nonexhaustive
public enum VirtioError: Error, Sendable, Hashable {
    /// An option is outside its documented range.
    case invalidOption(String)
    /// The ring cannot be used: its size, its addresses or its content.
    case ring(VirtioRingFault)
    /// The queue has a ring already, or host requests are under way and did not end in time.
    case busy
    /// Guest memory cannot be reached with these options.
    case memory(GuestMemoryError)
    /// The image refused.
    case image(BlockError)
    /// The data is not a saved state, or is a damaged one: `field`, named with the structures
    /// around it, has a value that it cannot have.
    case damagedState(field: String, reason: String)
    /// The saved state is of a version of the format that this library does not read.
    case unknownVersion(UInt32, known: ClosedRange<UInt32>)
    /// The saved state is of a device with other features or queues.
    case otherHardware(field: String, reason: String)
}

extension VirtioError {
    init(_ error: StateError) {
        self =
            switch error {
            case .damaged(let field, let reason): .damagedState(field: field, reason: reason)
            case .version(let found, let known): .unknownVersion(found, known: known)
            case .mismatch(let field, let reason): .otherHardware(field: field, reason: reason)
            }
    }
}

extension VirtioError: CustomStringConvertible {
    /// One line for people.
    public var description: String {
        switch self {
        case .invalidOption(let text): text
        case .ring(let fault): "the ring cannot be used: \(fault)"
        case .busy: "the queue has a ring, or host requests are still under way"
        case .memory(let error): "guest memory: \(error)"
        case .image(let error): "\(error)"
        case .damagedState(let field, let reason): "damaged state: \(field): \(reason)"
        case .unknownVersion(let version, let known):
            "state of version \(version); known are \(known.lowerBound) to \(known.upperBound)"
        case .otherHardware(let field, let reason): "state of other hardware: \(field): \(reason)"
        }
    }
}
