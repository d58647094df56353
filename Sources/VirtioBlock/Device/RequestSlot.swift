import BlockDMA
import BlockHost
import Glibc
import GuestMemory

/// One request of the guest that is under way. The number of its first descriptor is its tag.
struct RequestSlot: ~Copyable {
    /// What the guest wants (virtio 1.2, 5.2.6).
    enum Kind: UInt8 {
        /// There is no request.
        case none
        case read
        case write
        case flush
        case discard
        case writeZeroes
        case identify
    }

    /// What the host does for it.
    var host: HostRequest
    var kind = Kind.none
    /// Where the device writes the status.
    var status: GuestAddress = 0
    /// The host has ``piece``, and ``host`` knows nothing of it: a read or a write whose data is RAM in one
    /// piece, until it ends otherwise than with success.
    var isDirect = false
    /// The data of such a request.
    var piece = RAMPiece()

    init(tag: UInt) { host = HostRequest(tag: tag) }
}

// @safe: every index is checked, and the queue that has the table drops all pointers into it before.
/// The requests of a queue that are under way, by the number of their first descriptor.
@safe struct RequestTable: ~Copyable {
    private let start: UnsafeMutablePointer<RequestSlot>
    /// For each request, where its data is in the host, if that is one piece.
    private let vectors: UnsafeMutablePointer<iovec>
    let count: Int

    init(count: Int) {
        unsafe start = .allocate(capacity: count)
        for tag in 0..<count { unsafe (start + tag).initialize(to: RequestSlot(tag: UInt(tag))) }
        unsafe vectors = .allocate(capacity: count)
        unsafe vectors.initialize(repeating: iovec(), count: count)
        self.count = count
    }

    deinit {
        unsafe vectors.deallocate()
        unsafe start.deinitialize(count: count)
        unsafe start.deallocate()
    }

    /// The request that begins with descriptor `head`.
    @inline(__always)
    func slot(_ head: Int) -> StablePointer<RequestSlot> {
        precondition(head >= 0 && head < count, "the queue has no request with this tag")
        return unsafe StablePointer(start + head)
    }

    /// A list of one buffer, which stays until the same request is made again.
    @inline(__always)
    func list(_ head: Int, _ host: UnsafeMutableRawPointer, _ length: UInt64)
        -> UnsafeBufferPointer<iovec>
    {
        precondition(head >= 0 && head < count, "the queue has no request with this tag")
        let vector = unsafe vectors + head
        unsafe vector.pointee = unsafe iovec(
            iov_base: host, iov_len: Int(truncatingIfNeeded: length))
        return unsafe UnsafeBufferPointer(start: vector, count: 1)
    }
}
