/// The only error type of this library. It needs no allocation, because a guest can cause errors at
/// will.
public struct GuestMemoryError: Error, Sendable, Hashable {
    /// What went wrong, for programs.
    @nonexhaustive
    public enum Code: UInt8, Sendable, Hashable {
        // Errors that a guest causes.

        /// Nothing is mapped at the address.
        case hole
        /// Address plus length passes 2^64.
        case addressWraps
        /// The lengths add up to 2^63 or more.
        case totalTooLarge
        /// A list without elements.
        case emptyList
        /// An element of length zero.
        case zeroLength
        /// The total is not a multiple of the alignment that the device asked for.
        case misaligned
        /// The list needs more segments of host memory than ``DMAOptions/maximumSegments``.
        case tooManySegments
        /// The device behind an MMIO region refused the access.
        case deviceRefused
        /// The access would call back into the device that makes it.
        case reentrant
        /// The memory is in another process. Only transfers can reach it.
        case remote
        /// The other process refused a request for its memory, or has unmapped the memory.
        case remoteFailed
        /// An IOMMU has no translation for the address.
        case notTranslated
        /// An IOMMU does not allow this direction.
        case notPermitted
        /// The device's ``DMAGate`` is closed.
        case gateClosed

        // Errors of the host or of the program.

        /// A size, an offset or a host address that is not a multiple of the page size, or a size
        /// of zero.
        case invalidSize
        /// A region reaches past 2^64 or past the memory behind it.
        case invalidRegion
        /// An option, an alignment or a unit is outside its documented range.
        case invalidOption
        /// 4095 earlier maps are still held by transfers that have not ended.
        case tooManyMaps
        /// The mapping needs bounce buffers, and not enough of them are free now.
        case bounceUnavailable
        /// A system call failed; ``GuestMemoryError/errno`` says why.
        case system
    }

    /// What went wrong.
    public let code: Code
    /// The first address that the error is about, as the device or program named it: for a device
    /// behind an IOMMU, the address before translation.
    public let address: GuestAddress
    /// The errno of the system call; 0 if the library itself refused.
    public let errno: CInt

    init(_ code: Code, at address: GuestAddress = 0, errno: CInt = 0) {
        self.code = code
        self.address = address
        self.errno = errno
    }
}

extension GuestMemoryError: CustomStringConvertible {
    /// One line: what happened, where, and the errno.
    public var description: String {
        var text = explanation
        if isGuestFault { text += " at \(address)" }
        if errno != 0 { text += " (errno \(errno))" }
        return text
    }

    /// Whether a guest caused the error, by an address or a list that it chose.
    public var isGuestFault: Bool { code.rawValue < Code.invalidSize.rawValue }

    private var explanation: String {
        switch code {
        case .hole: "nothing is mapped"
        case .addressWraps: "address plus length passes 2^64"
        case .totalTooLarge: "the lengths add up to 2^63 or more"
        case .emptyList: "the list has no elements"
        case .zeroLength: "an element has no length"
        case .misaligned: "the total is no multiple of the device's alignment"
        case .tooManySegments: "the list falls into too many pieces"
        case .deviceRefused: "the device refused the access"
        case .reentrant: "the access would call back into the device that makes it"
        case .remote: "the memory is in another process"
        case .remoteFailed: "another process refused its memory"
        case .notTranslated: "the IOMMU has no translation"
        case .notPermitted: "the IOMMU does not allow this direction"
        case .gateClosed: "the bus does not let the device reach memory"
        case .invalidSize:
            "sizes, offsets and host addresses must be multiples of the page size, sizes not zero"
        case .invalidRegion: "the region reaches past 2^64 or past the memory behind it"
        case .invalidOption: "an option is outside its range"
        case .tooManyMaps: "too many earlier maps are held by transfers in flight"
        case .bounceUnavailable: "not enough bounce buffer is left"
        case .system: "the kernel refused"
        }
    }
}
