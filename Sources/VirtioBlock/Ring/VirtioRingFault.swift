/// A rule of the specification that a driver has broken, so that its ring cannot be used any more
/// (virtio 1.2, 2.7). The device stops to look at the ring, and needs a reset.
@nonexhaustive
public enum VirtioRingFault: UInt8, Sendable, Hashable, CaseIterable {
    /// The size is not a power of two, or is outside of what the device offers.
    case size
    /// The descriptors are not at a multiple of 16, the available ring not at one of 2, or the
    /// used ring not at one of 4.
    case alignment
    /// A part of the ring is not RAM in one piece, or its memory has gone.
    case memory
    /// More requests are available than the ring has descriptors.
    case availableIndex
    /// A descriptor has a number outside of its table.
    case descriptorIndex
    /// A request begins with a descriptor with which another one under way begins.
    case headInUse
    /// A request has more descriptors than the ring can have, or its descriptors are a loop.
    case chainTooLong
    /// A descriptor has the length 0.
    case emptyDescriptor
    /// A request has more than 2^32 bytes.
    case requestTooLarge
    /// A descriptor that the device reads follows one that it writes.
    case readableAfterWritable
    /// A table of descriptors although the driver has not accepted the feature.
    case indirectRefused
    /// A table of descriptors in another one, or followed by further descriptors.
    case nestedTable
    /// The size of a table of descriptors is not a multiple of 16, or is 0.
    case tableSize
    /// A table of descriptors cannot be read.
    case tableMemory
    /// The device cannot read the 16 bytes that a request begins with.
    case header
    /// There is no byte for the status, or it cannot be written.
    case status
}

extension VirtioRingFault: CustomStringConvertible {
    /// As in messages.
    public var description: String {
        switch self {
        case .size: "its size is not a power of two, or too large"
        case .alignment: "a part of it is not aligned"
        case .memory: "a part of it is not RAM in one piece"
        case .availableIndex: "more requests are available than there are descriptors"
        case .descriptorIndex: "a descriptor has a number outside of its table"
        case .headInUse: "two requests begin with one descriptor"
        case .chainTooLong: "a request has too many descriptors"
        case .emptyDescriptor: "a descriptor has the length 0"
        case .requestTooLarge: "a request has more than 2^32 bytes"
        case .readableAfterWritable: "a readable descriptor follows a writable one"
        case .indirectRefused: "a table of descriptors was not agreed on"
        case .nestedTable: "a table of descriptors is in another one, or is followed by more"
        case .tableSize: "the size of a table of descriptors is not a multiple of 16"
        case .tableMemory: "a table of descriptors cannot be read"
        case .header: "the header of a request cannot be read"
        case .status: "the status of a request cannot be written"
        }
    }
}
