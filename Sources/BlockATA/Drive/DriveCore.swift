import BlockDMA
import BlockHost

/// What both kinds of drive have: a connection, host requests and a buffer.
///
/// `@safe`, because the elements are reached by tag, and a tag is less than the connection's number
/// of tags: carriers choose tags, and guests do not. A disk checks those of completions. The drive
/// frees the memory when it is released.
@safe struct DriveCore {
    /// How the drive is connected to its carrier.
    let connection: DriveConnection
    /// The host request of each tag.
    private let hosts: UnsafeMutablePointer<HostRequest>
    /// How the transfer of each tag has ended, until the carrier is told with the end of the command.
    private let ends: UnsafeMutablePointer<CommandEnd.Transfer?>
    /// Data that the drive moves itself: PIO blocks, data that READ VERIFY reads, lists of ranges
    /// and parameters.
    let buffer: DriveBuffer

    init(_ connection: DriveConnection, bufferSize: Int) {
        self.connection = connection
        unsafe hosts = .allocate(capacity: connection.tags)
        for tag in 0..<connection.tags {
            unsafe (hosts + tag).initialize(to: HostRequest(tag: UInt(tag)))
        }
        unsafe ends = .allocate(capacity: connection.tags)
        unsafe ends.initialize(repeating: nil, count: connection.tags)
        buffer = DriveBuffer(count: bufferSize, alignment: 4096)
    }

    /// The host request of a tag.
    @inline(__always)
    func host(of tag: Int) -> StablePointer<HostRequest> { unsafe StablePointer(hosts + tag) }

    /// How the transfer of a tag has ended.
    @inline(__always)
    func transferEnd(of tag: Int) -> StablePointer<CommandEnd.Transfer?> {
        unsafe StablePointer(ends + tag)
    }

    /// Frees the memory: no copy of this may be used afterwards.
    @unsafe func deallocate() {
        unsafe hosts.deinitialize(count: connection.tags)
        unsafe hosts.deallocate()
        unsafe ends.deallocate()
        unsafe buffer.deallocate()
    }

    /// Whether the host may still touch memory for the drive.
    var isBusy: Bool {
        for tag in 0..<connection.tags where host(of: tag).pointee.isBusy { return true }
        return false
    }

    /// Becomes what a saved state says of the command of tag 0.
    func load(isParked: Bool) {
        let host = host(of: 0)
        host.pointee.commandEnded()
        if isParked { host.pointee.park() }
    }
}
