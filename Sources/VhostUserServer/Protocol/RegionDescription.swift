import BlockHost
import GuestMemory

/// A region of the front end's memory as messages have it ("Memory region description").
struct RegionDescription: Hashable {
    static let size = 32

    /// Where descriptors of rings see it.
    let guestAddress: GuestAddress
    /// In bytes: not necessarily a multiple of a page.
    let byteCount: UInt64
    /// Where the front end has mapped it: addresses of rings are of this kind.
    let userAddress: UInt64
    /// Where it begins in the file.
    let fileOffset: UInt64

    /// The description in a message; `nil` where the message is too short for it, and when an address
    /// passes 2^64.
    init?(_ body: MessageBody, at offset: Int) {
        guard let guest = body.u64(offset), let size = body.u64(offset + 8),
            let user = body.u64(offset + 16), let place = body.u64(offset + 24), size > 0,
            GuestAddress(guest).advanced(by: size - 1) != nil,
            !user.addingReportingOverflow(size - 1).overflow
        else { return nil }
        guestAddress = GuestAddress(guest)
        byteCount = size
        userAddress = user
        fileOffset = place
    }

    /// The last address, as descriptors see it.
    var lastGuestAddress: GuestAddress { guestAddress &+ (byteCount - 1) }

    private var lastUserAddress: UInt64 { userAddress + (byteCount - 1) }

    /// Whether an address would lie in both regions.
    func overlaps(_ other: RegionDescription) -> Bool {
        (guestAddress <= other.lastGuestAddress && other.guestAddress <= lastGuestAddress)
            || (userAddress <= other.lastUserAddress && other.userAddress <= lastUserAddress)
    }

    /// Where descriptors see the `count` bytes that the front end has at `address`; `nil` unless all of
    /// them are in the region.
    func guestAddress(ofUser address: UInt64, count: Int) -> GuestAddress? {
        guard address >= userAddress, address - userAddress <= byteCount,
            UInt64(count) <= byteCount - (address - userAddress)
        else { return nil }
        return guestAddress &+ (address - userAddress)
    }
}
